//! `-L` and `-l NAME`: the loaded rules, and which of them cannot match here and why.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::{Value, json};

use crate::{
    Activity, Rule, RuleInfo, RuleSet, Source,
    compile::{Expr, NodeId},
    source::types,
};

/// Most bytes of a condition that is printed in its compiled form.
const TEXT_MAX: usize = 64 << 10;

impl<S: Source> RuleSet<S> {
    /// `-L` as text: each rule, and a table of those that cannot match in all cases.
    #[must_use]
    pub fn list_text(&self) -> String {
        let mut out = format!("{:<50} Description\n{:<50} -----------\n", "Rule", "----");
        for rule in &self.rules {
            let _ = writeln!(out, "{:<50} {}", rule.name, rule.description);
        }
        let odd: Vec<_> = self
            .rules
            .iter()
            .zip(&self.info)
            .filter(|(_, info)| info.activity != Activity::Active || !info.enabled)
            .collect();
        if !odd.is_empty() {
            let _ = write!(
                out,
                "\n{:<50} {:<16} Why\n{:<50} {:<16} ---\n",
                "Rule", "State", "----", "-----"
            );
            for (rule, info) in odd {
                let (state, reasons) = state(info);
                let _ = writeln!(out, "{:<50} {state:<16} {reasons}", rule.name);
            }
        }
        out
    }

    /// `-l NAME` as text, or nothing if there is no such rule.
    #[must_use]
    pub fn describe_text(&self, name: &str) -> Option<String> {
        let (rule, info) = self.one(name)?;
        let (state, reasons) = state(info);
        let mut out = String::new();
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(out, "{key:<20} {value}");
        };
        line("Rule", &rule.name);
        line("Description", &rule.description);
        line("Priority", rule.priority.as_str());
        line("Source", &rule.source);
        line("Tags", &rule.tags.join(", "));
        line("State", state);
        if !reasons.is_empty() {
            line("Why", &reasons);
        }
        line("Condition", &info.condition);
        line("Condition compiled", &self.condition_text(info.node));
        line("Events", &types::<S>(info.classes).join(", "));
        line("Exceptions", &info.exceptions.join(", "));
        line("Macros", &info.macros.join(", "));
        line("Lists", &info.lists.join(", "));
        line("Output", &info.output);
        Some(out)
    }

    /// `-L` as JSON.
    #[must_use]
    pub fn list_json(&self) -> Value {
        let rules: Vec<_> = self
            .rules
            .iter()
            .zip(&self.info)
            .map(|(rule, info)| self.rule_json(rule, info))
            .collect();
        let lists: Vec<_> = self
            .lists
            .iter()
            .map(|list| {
                json!({ "details": { "used": list.used },
                        "info": { "items": list.items, "name": list.name } })
            })
            .collect();
        let macros: Vec<_> = self
            .macros
            .iter()
            .map(|item| {
                json!({ "details": { "used": item.used },
                        "info": { "condition": item.condition, "name": item.name } })
            })
            .collect();
        let plugins: Vec<_> = self
            .plugin_versions
            .iter()
            .map(|(name, version)| json!({ "name": name, "version": version }))
            .collect();
        json!({
            "lists": lists,
            "macros": macros,
            "required_engine_version": self.engine_version,
            "required_plugin_versions": plugins,
            "rules": rules,
        })
    }

    /// `-l NAME` as JSON, or nothing if there is no such rule.
    #[must_use]
    pub fn describe_json(&self, name: &str) -> Option<Value> {
        let (rule, info) = self.one(name)?;
        Some(json!({ "rules": [self.rule_json(rule, info)] }))
    }

    fn one(&self, name: &str) -> Option<(&Rule<S>, &RuleInfo)> {
        let index = self.rules.iter().position(|rule| &*rule.name == name)?;
        Some((&self.rules[index], &self.info[index]))
    }

    fn rule_json(&self, rule: &Rule<S>, info: &RuleInfo) -> Value {
        let mut fields = BTreeSet::new();
        let mut operators = BTreeSet::new();
        self.graph.checks(info.node, &mut |id, _| {
            let check = self.checks.get(id);
            operators.insert(check.operator.as_str());
            let operand = &self.checks.operand_of(id).operand;
            operand.fields(&mut |field| {
                fields.insert(field.key.to_string());
            });
        });
        let output_fields: Vec<_> = rule
            .output
            .fields()
            .iter()
            .map(|field| &field.key)
            .collect();
        let (state, reasons) = state(info);
        json!({
            "details": {
                "condition_compiled": self.condition_text(info.node),
                "condition_fields": fields,
                "condition_operators": operators,
                "events": types::<S>(info.classes),
                "exception_names": info.exceptions,
                "lists": info.lists,
                "macros": info.macros,
                "output_compiled": rule.output.text(),
                "output_fields": output_fields,
                "plugins": [],
                "state": state,
                "state_reasons": reasons,
            },
            "info": {
                "condition": info.condition,
                "description": rule.description,
                "enabled": info.enabled,
                "name": rule.name,
                "output": info.output,
                "priority": rule.priority.as_str(),
                "source": rule.source,
                "tags": rule.tags,
            },
        })
    }

    /// A condition with its macros and lists expanded.
    fn condition_text(&self, node: NodeId) -> String {
        let mut out = String::new();
        self.write_condition(node, &mut out);
        if out.len() > TEXT_MAX {
            let mut cut = TEXT_MAX;
            while !out.is_char_boundary(cut) {
                cut -= 1;
            }
            out.truncate(cut);
            out.push('…');
        }
        out
    }

    fn write_condition(&self, node: NodeId, out: &mut String) {
        if out.len() > TEXT_MAX {
            return;
        }
        let (parts, word) = match self.graph.get(node) {
            Expr::False => return out.push_str("never"),
            Expr::True => return out.push_str("always"),
            Expr::Check(check) => return out.push_str(&self.checks.get(*check).text),
            Expr::Not(inner) => {
                out.push_str("not ");
                return self.write_condition(*inner, out);
            }
            Expr::And(parts) => (parts, " and "),
            Expr::Or(parts) => (parts, " or "),
        };
        out.push('(');
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                out.push_str(word);
            }
            self.write_condition(*part, out);
            if out.len() > TEXT_MAX {
                return;
            }
        }
        out.push(')');
    }
}

/// The state of a rule for people, and why it is in that state.
fn state(info: &RuleInfo) -> (&'static str, String) {
    let state = match info.state() {
        "partly" => "partly active",
        state => state,
    };
    let reasons = match &info.activity {
        Activity::Active => String::new(),
        Activity::Partly(reasons) | Activity::Inactive(reasons) => reasons.join("; "),
    };
    (state, reasons)
}
