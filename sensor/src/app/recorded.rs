//! The frames of a recording, and its events for cases and explanations.

use std::{io::Read, ops::ControlFlow, path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use config::Config;
use falco_rules::{Argument, FieldRef, Fields, RuleSet, Written};
use telemetry::{Identity, Telemetry};
use tracing::warn;

use super::{inspect::refused, options};
use crate::sources::syscall::{
    fields::{Context, Syscall},
    recording::{Frame, Header, Player, Reader},
    rules::{self as syscall_rules, RuleFile},
};

/// Reads the frames of a recording. `start` makes the player from the first frame; `each` gets the
/// frames, and says whether the others are needed. Returns the player; none if there is no frame.
///
/// # Errors
/// If the recording is damaged, or cannot be read or played.
pub(super) fn frames(
    path: &Path,
    bytes: Box<dyn Read + Send>,
    start: impl Fn(&Header) -> anyhow::Result<Player>,
    mut each: impl FnMut(&mut Player, Frame<'_>) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<Option<Player>> {
    let context = || path.display().to_string();
    let mut reader = Reader::new(bytes).with_context(context)?;
    let mut player: Option<Player> = None;
    while let Some(block) = reader.block().with_context(context)? {
        let mut rest = block;
        while let Some(frame) = Frame::read(&mut rest).with_context(context)? {
            let playing = match (&mut player, &frame) {
                (Some(playing), _) => playing,
                (none, Frame::Header(header)) => none.insert(start(header).with_context(context)?),
                (None, _) => bail!("{}: a recording begins with a header", path.display()),
            };
            if each(playing, frame).with_context(context)?.is_break() {
                return Ok(player);
            }
        }
    }
    if reader.is_cut() {
        warn!(
            "{}: the recording is cut; events may be missing at its end",
            path.display()
        );
    }
    Ok(player)
}

/// The events of recordings, with those fields that rules name.
pub(super) struct Events<'c> {
    config: &'c Config,
    rules: Arc<syscall_rules::RuleSet>,
    named: Vec<FieldRef<Syscall>>,
}

impl<'c> Events<'c> {
    /// Events with all fields that need no argument, and with those that rules name with one.
    ///
    /// # Errors
    /// If the rules name a field that does not exist: they would not be valid.
    pub(super) fn new(
        config: &'c Config,
        rules: &RuleSet<Written<Syscall>>,
    ) -> anyhow::Result<Self> {
        let mut named: Vec<FieldRef<Syscall>> = Vec::new();
        let mut add = |key: &str| {
            let field = FieldRef::<Syscall>::parse(key).ok();
            let field = field.filter(|field| field.argument != Argument::None);
            if let Some(field) = field.filter(|field| named.iter().all(|one| one.key != field.key))
            {
                named.push(field);
            }
        };
        for rule in rules.rules() {
            let leaves = rules.outline(rule.index);
            let leaves = leaves.map_or(&[][..], |outline| outline.leaves());
            leaves
                .iter()
                .flat_map(|leaf| &leaf.fields)
                .for_each(|key| add(key));
            rule.output
                .fields()
                .iter()
                .for_each(|field| add(&field.key));
        }
        // The output makes the fields known that need more than others, such as the environment.
        let output: Vec<_> = named
            .iter()
            .map(|field| format!("%{}", field.key))
            .collect();
        let rule = serde_json::json!([{
            "rule": "recorded", "desc": "An event of a recording.", "condition": "evt.num >= 0",
            "output": format!("%proc.env {}", output.join(" ")), "priority": "DEBUG",
        }]);
        let files = [RuleFile::new("recorded", rule.to_string())];
        let compilation = syscall_rules::compile(&files, &options::rules(config));
        let Some(rules) = compilation.set else {
            return Err(refused(&compilation.report));
        };
        Ok(Self {
            config,
            rules: Arc::new(rules),
            named,
        })
    }

    /// Calls a function with each event of a recording, until the function breaks.
    ///
    /// # Errors
    /// If the recording is damaged, or cannot be read or played.
    pub(super) fn each(
        &self,
        path: &Path,
        bytes: Box<dyn Read + Send>,
        mut look: impl for<'e> FnMut(&'e Context<'e>) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        let start = |header: &Header| self.start(header);
        frames(path, bytes, start, |player, frame| {
            let looked = player.look(frame, |_, context| look(context))?;
            looked.unwrap_or(Ok(ControlFlow::Continue(())))
        })?;
        Ok(())
    }

    /// The fields of an event.
    pub(super) fn fields<'e>(&self, context: &'e Context<'e>) -> Fields {
        Fields::of_event::<Syscall>(context, &self.named)
    }

    fn start(&self, header: &Header) -> anyhow::Result<Player> {
        header.check()?;
        let mut config = self.config.clone();
        config.sensor.hostname = Some(header.hostname.clone());
        let telemetry = Arc::new(Telemetry::new(Arc::new(Identity::new(&config))));
        let rules = Arc::clone(&self.rules);
        let alerts = options::alerts(&config);
        Ok(Player::new(header, rules, alerts, &telemetry))
    }
}
