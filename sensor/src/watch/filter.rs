//! Which events somebody wants to see, in the rules' own language.

use bumpalo::Bump;
use falco_rules::{
    Activity, ArgumentKind, Fields, Options, Report, RuleFile, RuleSet, Scratch, Written,
    WrittenEvent, compile,
};

use crate::sources::syscall::{
    fields::{self, Needs, Syscall},
    rules as syscall_rules,
};

/// The name of the one rule of a filter, and of its file in messages.
pub(super) const NAME: &str = "watch";

/// The places whose events are shown: the host, and pods. Without any, all are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The host.
    pub host: bool,
    /// Name of the pod.
    pub pod: Option<String>,
    /// Namespace of the pod.
    pub namespace: Option<String>,
}

/// Why a filter is none.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// The condition has mistakes.
    #[error("the condition is not valid")]
    Condition(Box<Report>),
    /// No event can match.
    #[error("no event here can match the condition: {0}")]
    Inactive(String),
    /// Kubernetes has no such names.
    #[error("'{0}' is no name of a {1}: names have lowercase letters, digits, '-' and '.'")]
    Name(String, &'static str),
}

/// A rule set whose one rule has the condition, and prints every field that an event can have.
///
/// # Errors
/// As [`Filter::new`].
pub fn of_every_field(
    condition: Option<&str>,
    place: &Places,
    base: Vec<RuleFile>,
) -> Result<syscall_rules::RuleSet, FilterError> {
    // Environments often hold secrets.
    let is_of_env = |needs: Needs| needs.contains(Needs::ENV);
    let shown = fields::all().filter(|field| !field.condition_only && !is_of_env(field.needs));
    let shown = shown.filter_map(|field| match field.argument {
        ArgumentKind::None
        | ArgumentKind::OptionalIndex
        | ArgumentKind::Index
        | ArgumentKind::OptionalName => Some(format!("%{}", field.name)),
        // These have no value without a name.
        ArgumentKind::Name => None,
    });
    let ancestors = (2..=4).map(|depth| format!("%proc.aname[{depth}]"));
    let output: Vec<_> = shown.chain(ancestors).collect();
    let mut files = base;
    files.push(RuleFile::new(
        NAME,
        rule(condition, place, &output.join(" "))?,
    ));
    let compilation = syscall_rules::compile(&files, &syscall_rules::Options::default());
    let Some(set) = compilation.set else {
        return Err(FilterError::Condition(Box::new(compilation.report)));
    };
    let only = set.info().first();
    if let Some(Activity::Inactive(reasons)) = only.map(|info| &info.activity) {
        return Err(FilterError::Inactive(reasons.join("; ")));
    }
    Ok(set)
}

/// Decides which events are shown.
#[derive(Debug)]
pub struct Filter {
    rules: RuleSet<Written<Syscall>>,
    scratch: Scratch,
}

impl Filter {
    /// A filter with that condition, in the language of rules, and of that place. `base` has the
    /// macros and lists that the condition may use.
    ///
    /// # Errors
    /// If the condition is not valid or can match no event, or if a name is none.
    pub fn new(
        condition: Option<&str>,
        place: &Places,
        base: Vec<RuleFile>,
    ) -> Result<Self, FilterError> {
        let text = rule(condition, place, "%evt.type")?;
        let mut files = base;
        files.push(RuleFile::new(NAME, text));
        let compilation = compile::<Written<Syscall>>(&files, &Options::default());
        let Some(rules) = compilation.set else {
            return Err(FilterError::Condition(Box::new(compilation.report)));
        };
        let only = rules.info().first();
        if let Some(Activity::Inactive(reasons)) = only.map(|info| &info.activity) {
            return Err(FilterError::Inactive(reasons.join("; ")));
        }
        Ok(Self {
            rules,
            scratch: Scratch::default(),
        })
    }

    /// Whether an event is shown.
    pub fn matches(&mut self, fields: &Fields) -> bool {
        let arena = Bump::new();
        let mut is_match = false;
        let event = WrittenEvent::new(fields, &arena);
        self.rules
            .evaluate(&mut self.scratch, &event, &mut |_| is_match = true);
        is_match
    }
}

/// A file of rules with the condition as its only rule.
fn rule(condition: Option<&str>, place: &Places, output: &str) -> Result<String, FilterError> {
    // Each event has a type.
    let condition = condition.unwrap_or("evt.type exists");
    let mut pods = Vec::new();
    for (field, what, name) in [
        ("k8s.pod.name", "pod", &place.pod),
        ("k8s.ns.name", "namespace", &place.namespace),
    ] {
        if let Some(name) = name {
            let is_part =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            if name.is_empty() || !name.chars().all(is_part) {
                return Err(FilterError::Name(name.clone(), what));
            }
            pods.push(format!("{field} = {name}"));
        }
    }
    let pods = (!pods.is_empty()).then(|| format!("({})", pods.join(" and ")));
    let host = place.host.then(|| "container.id = host".to_owned());
    let places: Vec<_> = host.into_iter().chain(pods).collect();
    let mut all = vec![format!("({condition})")];
    if !places.is_empty() {
        all.push(format!("({})", places.join(" or ")));
    }
    let object = serde_json::json!([{
        "rule": NAME,
        "desc": "What somebody wants to see.",
        "condition": all.join(" and "),
        "output": output,
        "priority": "DEBUG",
    }]);
    Ok(object.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(condition: Option<&str>, place: &Places, fields: &str) -> bool {
        let fields = serde_json::from_str(fields).unwrap();
        let fields = Fields::new::<Syscall>(&fields, true).unwrap();
        let filter = Filter::new(condition, place, Vec::new());
        filter.unwrap().matches(&fields)
    }

    #[test]
    fn a_condition_a_pod_and_a_namespace_must_all_match() {
        let event = r#"{"proc.name":"curl","k8s.ns.name":"shop","k8s.pod.name":"cart-0"}"#;
        let place = |pod: &str, namespace: &str| Places {
            pod: Some(pod.into()),
            namespace: Some(namespace.into()),
            host: false,
        };
        let here = place("cart-0", "shop");
        assert!(matches(None, &Places::default(), event));
        assert!(matches(Some("proc.name = curl"), &here, event));
        assert!(!matches(Some("proc.name = wget"), &here, event));
        assert!(!matches(
            Some("proc.name = curl"),
            &place("cart-1", "shop"),
            event
        ));
        assert!(!matches(None, &place("cart-0", "bank"), event));
    }

    #[test]
    fn the_host_is_a_place_beside_pods() {
        let of_host = r#"{"proc.name":"sh","container.id":"host"}"#;
        let of_pod = r#"{"proc.name":"sh","container.id":"0123456789ab","k8s.pod.name":"cart-0"}"#;
        let mut place = Places {
            host: true,
            ..Places::default()
        };
        assert!(matches(None, &place, of_host));
        assert!(!matches(None, &place, of_pod));
        place.pod = Some("cart-0".into());
        assert!(matches(None, &place, of_host));
        assert!(matches(None, &place, of_pod));
        place.pod = Some("cart-1".into());
        assert!(!matches(None, &place, of_pod));
        assert!(!matches(Some("proc.name = curl"), &place, of_host));
    }

    #[test]
    fn what_a_filter_needs_of_the_kernel_is_of_its_places_alone() {
        let needs = |condition, host, pod: Option<&str>| {
            let place = Places {
                host,
                pod: pod.map(Into::into),
                namespace: None,
            };
            let set = of_every_field(condition, &place, Vec::new()).unwrap();
            let reach = set.requirements().reach;
            (reach.host.iter().count(), reach.container.iter().count())
        };
        let all = sensor_ebpf::Kinds::ALL.iter().count();
        assert_eq!(needs(None, false, None), (all, all));
        assert_eq!(needs(None, true, None), (all, 0));
        assert_eq!(needs(None, false, Some("cart-0")), (0, all));
        assert_eq!(needs(None, true, Some("cart-0")), (all, all));
        let setns = Some("evt.type = setns");
        assert_eq!(needs(setns, true, None), (1, 0));
    }

    #[test]
    fn a_condition_with_a_mistake_is_refused() {
        let filter = Filter::new(Some("proc.nam = sh"), &Places::default(), Vec::new());
        assert!(matches!(filter, Err(FilterError::Condition(_))));
        let place = Places {
            pod: Some("a b".into()),
            ..Places::default()
        };
        let filter = Filter::new(None, &place, Vec::new());
        assert!(matches!(filter, Err(FilterError::Name(..))));
    }
}
