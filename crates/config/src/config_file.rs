//! An entry of `config_files`: a file or directory to merge in, and how.

use std::path::PathBuf;

use yaml::Node;

use super::setting::{Element, Setting};

/// A file or directory whose values are merged into the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Path of the file or directory.
    pub path: PathBuf,
    /// How its values combine with the earlier ones.
    pub strategy: Strategy,
}

/// How a value combines with an earlier value of the same key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// A list is appended to the earlier list; any other value replaces the earlier one.
    #[default]
    Append,
    /// The value replaces the earlier one.
    Override,
    /// The earlier value stays.
    AddOnly,
}

impl From<PathBuf> for ConfigFile {
    fn from(path: PathBuf) -> Self {
        Self {
            path,
            strategy: Strategy::default(),
        }
    }
}

impl Setting for ConfigFile {
    const TYPE: &'static str = "a path or a mapping";

    fn read(node: &Node) -> Option<Self> {
        let Some(entries) = node.as_mapping() else {
            return PathBuf::read(node).map(Self::from);
        };
        let (mut path, mut strategy) = (None, Strategy::default());
        for (key, value) in entries {
            match key.as_str()? {
                "path" => path = Some(PathBuf::read(value)?),
                "strategy" => strategy = Strategy::read(value)?,
                // Without effect, as in Falco.
                _ => {}
            }
        }
        path.map(|path| Self { path, strategy })
    }

    fn show(&self) -> String {
        let path = self.path.show();
        match self.strategy {
            Strategy::Append => path,
            strategy => format!("{{path: {path}, strategy: {}}}", strategy.show()),
        }
    }
}

impl Element for ConfigFile {
    const LIST: &'static str =
        "a list of paths or of mappings with path and strategy (append, override or add-only)";
}
