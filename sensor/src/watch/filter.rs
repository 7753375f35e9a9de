//! Which events somebody wants to see, in the rules' own language.

use bumpalo::Bump;
use falco_rules::{
    Activity, ArgumentKind, Fields, Options, Report, RuleFile, RuleSet, Scratch, Written,
    WrittenEvent, compile,
};

use crate::sources::syscall::{
    fields::{self, Syscall},
    rules as syscall_rules,
};

/// The name of the one rule of a filter, and of its file in messages.
pub(super) const NAME: &str = "watch";

/// The pods whose events are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods {
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
    place: &Pods,
    base: Vec<RuleFile>,
) -> Result<syscall_rules::RuleSet, FilterError> {
    let shown = fields::all().filter(|field| !field.condition_only);
    let shown = shown.filter_map(|field| match field.argument {
        ArgumentKind::None | ArgumentKind::OptionalIndex => Some(format!("%{}", field.name)),
        // These have no value without a name or a number.
        ArgumentKind::Index | ArgumentKind::Name | ArgumentKind::OptionalName => None,
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
        place: &Pods,
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
fn rule(condition: Option<&str>, place: &Pods, output: &str) -> Result<String, FilterError> {
    // Each event has a type.
    let condition = condition.unwrap_or("evt.type exists");
    let mut all = vec![format!("({condition})")];
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
            all.push(format!("{field} = {name}"));
        }
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

    fn matches(condition: Option<&str>, place: &Pods, fields: &str) -> bool {
        let fields = serde_json::from_str(fields).unwrap();
        let fields = Fields::new::<Syscall>(&fields, true).unwrap();
        let filter = Filter::new(condition, place, Vec::new());
        filter.unwrap().matches(&fields)
    }

    #[test]
    fn a_condition_a_pod_and_a_namespace_must_all_match() {
        let event = r#"{"proc.name":"curl","k8s.ns.name":"shop","k8s.pod.name":"cart-0"}"#;
        let place = |pod: &str, namespace: &str| Pods {
            pod: Some(pod.into()),
            namespace: Some(namespace.into()),
        };
        let here = place("cart-0", "shop");
        assert!(matches(None, &Pods::default(), event));
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
    fn a_condition_with_a_mistake_is_refused() {
        let filter = Filter::new(Some("proc.nam = sh"), &Pods::default(), Vec::new());
        assert!(matches!(filter, Err(FilterError::Condition(_))));
        let place = Pods {
            pod: Some("a b".into()),
            ..Pods::default()
        };
        let filter = Filter::new(None, &place, Vec::new());
        assert!(matches!(filter, Err(FilterError::Name(..))));
    }
}
