//! Compiled conditions → a rule set: the part of each condition that remains for each class of
//! events, and the index that finds rules.

use rustc_hash::FxHashMap;

use crate::{
    Activity, Classes, Options, RuleFile, RuleSet, Source,
    activity::activity,
    build::Built,
    compile::{Checks, Dispatch, Graph, Known, fold, shared_first},
    load::{self, Definitions},
    set::{ListInfo, MacroInfo, Program},
    source::types,
    used::Used,
};

/// Makes the rule set.
pub(super) fn assemble<S: Source>(
    files: &[RuleFile],
    options: &Options,
    definitions: &Definitions,
    (mut graph, checks): (Graph, Checks<S>),
    used: &Used,
    built: Vec<Built<S>>,
) -> RuleSet<S> {
    const { assert!(S::CLASSES <= Classes::MAX, "too many classes") };
    let (mut rules, mut info): (Vec<_>, Vec<_>) = built
        .into_iter()
        .map(|built| (built.rule, built.info))
        .unzip();
    let mut programs = Vec::with_capacity(S::CLASSES);
    for class in 0..S::CLASSES {
        let known = Known {
            class: Some(class),
            facts: &S::facts(class),
        };
        let mut done = FxHashMap::default();
        let mut left = Vec::new();
        for (index, info) in info.iter_mut().enumerate() {
            let node = fold(&mut graph, &checks, known, info.node, &mut done);
            if node == Graph::FALSE {
                continue;
            }
            info.classes = info.classes.union(Classes::one(class));
            if info.enabled {
                left.push((u32::try_from(index).unwrap_or(u32::MAX), node));
            }
        }
        shared_first(&mut graph, &mut left);
        let nodes: Vec<_> = left.iter().map(|(_, node)| *node).collect();
        programs.push(Program {
            dispatch: Dispatch::new(&graph, &checks, &nodes),
            rules: left.into(),
        });
    }
    let here = types::<S>(Classes::ALL);
    for (index, (rule, info)) in rules.iter_mut().zip(&mut info).enumerate() {
        rule.index = index;
        if !matches!(info.activity, Activity::Inactive(_)) {
            let matches = !info.classes.is_empty();
            info.activity = activity(&graph, &checks, info.node, matches, &here);
        }
    }
    let macros = used.macros.of(definitions, &definitions.macros);
    let lists = used.lists.of(definitions, &definitions.lists);
    RuleSet {
        rules: rules.into(),
        info: info.into(),
        graph,
        checks,
        programs: programs.into(),
        matching: options.matching,
        digest: load::digest(files),
        files: files
            .iter()
            .filter(|file| !file.base)
            .map(|file| (file.name.clone(), file.sha256.clone()))
            .collect(),
        macros: macros
            .map(|(definition, used)| MacroInfo {
                name: definition.name.clone(),
                condition: definition.value.condition.text.trim().into(),
                used,
            })
            .collect(),
        lists: lists
            .map(|(definition, used)| ListInfo {
                name: definition.name.clone(),
                items: definition.value.items.clone().into(),
                used,
            })
            .collect(),
        engine_version: definitions.engine_version.clone(),
        plugin_versions: definitions.plugin_versions.clone().into(),
    }
}
