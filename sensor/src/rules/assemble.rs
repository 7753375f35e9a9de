//! Compiled conditions → a rule set: what is left of each for each kind of
//! event, and how rules are found.

use rustc_hash::FxHashMap;

use super::{
    Options, Requirements, RuleSet,
    activity::activity,
    build::Built,
    compile::{Checks, Dispatch, Facts, Graph, Peer, fold, shared_first},
    load::{self, Definitions, RuleFile},
    set::{Activity, ListInfo, MacroInfo, Program, program},
};
use crate::event::Kind;

/// Makes the set.
pub(super) fn assemble(
    files: &[RuleFile],
    options: &Options,
    definitions: &Definitions,
    (mut graph, checks): (Graph, Checks),
    (used_macros, used_lists): (&[bool], &[bool]),
    built: Vec<Built>,
) -> RuleSet {
    let mut programs: [Program; 6] = Default::default();
    let (mut rules, mut info): (Vec<_>, Vec<_>) = built
        .into_iter()
        .map(|built| (built.rule, built.info))
        .unzip();
    for kind in [Kind::Exec, Kind::ExecFailed, Kind::Connect] {
        for host in [false, true] {
            let facts = Facts::of(kind, host);
            let mut known = FxHashMap::default();
            let mut left = Vec::new();
            for (index, info) in info.iter_mut().enumerate() {
                let node = fold(&mut graph, &checks, &facts, info.node, &mut known);
                if node == Graph::FALSE {
                    continue;
                }
                if !info.kinds.contains(&kind) {
                    info.kinds = info.kinds.iter().copied().chain([kind]).collect();
                }
                if info.enabled {
                    left.push((u32::try_from(index).unwrap_or(u32::MAX), node));
                }
            }
            shared_first(&mut graph, &mut left);
            let nodes: Vec<_> = left.iter().map(|(_, node)| *node).collect();
            programs[program(kind, host)] = Program {
                dispatch: Dispatch::new(&graph, &checks, &nodes),
                rules: left.into(),
            };
        }
    }
    for (index, (rule, info)) in rules.iter_mut().zip(&mut info).enumerate() {
        rule.index = index;
        if !matches!(info.activity, Activity::Inactive(_)) {
            info.activity = activity(&graph, &checks, info.node, !info.kinds.is_empty());
        }
    }
    let mut requirements = Requirements::of(&graph, &checks, &programs, &rules);
    let mut reaches = |peer| {
        [false, true].into_iter().any(|host| {
            let facts = Facts::of(Kind::Connect, host).of_peer(peer);
            let mut known = FxHashMap::default();
            let rules = &programs[program(Kind::Connect, host)].rules;
            rules.iter().any(|(_, node)| {
                fold(&mut graph, &checks, &facts, *node, &mut known) != Graph::FALSE
            })
        })
    };
    requirements.unix = reaches(Peer::Unix);
    requirements.inet = reaches(Peer::Inet4) || reaches(Peer::Inet6);
    requirements.other_families = reaches(Peer::Other);
    requirements.loopback = reaches(Peer::Loopback4) || reaches(Peer::Loopback6);
    let macros = definitions.macros.all().iter().zip(used_macros);
    let lists = definitions.lists.all().iter().zip(used_lists);
    RuleSet {
        rules: rules.into(),
        info: info.into(),
        graph,
        checks,
        programs,
        matching: options.matching,
        env: options.env.clone(),
        requirements,
        digest: load::digest(files),
        files: files
            .iter()
            .map(|file| (file.name.clone(), file.sha256.clone()))
            .collect(),
        macros: macros
            .map(|(definition, used)| MacroInfo {
                name: definition.name.clone(),
                condition: definition.value.condition.text.trim().into(),
                used: *used,
            })
            .collect(),
        lists: lists
            .map(|(definition, used)| ListInfo {
                name: definition.name.clone(),
                items: definition.value.items.clone().into(),
                used: *used,
            })
            .collect(),
        engine_version: definitions.engine_version.clone(),
        plugin_versions: definitions.plugin_versions.clone().into(),
    }
}
