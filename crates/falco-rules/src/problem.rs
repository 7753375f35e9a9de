//! Errors and warnings about rule files.

use std::fmt;

use yaml::{Diagnostic, Severity};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Falco's codes of errors (`LOAD_ERR_…`) and warnings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// The code as Falco writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The meaning of the code, in a few words.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// A file that cannot be read.
    FileRead = "LOAD_ERR_FILE_READ", "File read error";
    /// A text that is no YAML.
    YamlParse = "LOAD_ERR_YAML_PARSE", "YAML parse error";
    /// YAML that is no list of rules, macros and lists.
    YamlValidate = "LOAD_ERR_YAML_VALIDATE", "Error validating internal structure of YAML file";
    /// An invalid condition.
    CompileCondition = "LOAD_ERR_COMPILE_CONDITION", "Error compiling condition";
    /// An invalid rule output.
    CompileOutput = "LOAD_ERR_COMPILE_OUTPUT", "Error compiling output";
    /// A rule, macro or list that cannot be applied.
    Validate = "LOAD_ERR_VALIDATE", "Error validating rule/macro/list/exception objects";
    /// A required plugin or engine version that is not provided.
    Extension = "LOAD_ERR_EXTENSION", "Error in extension item";
    /// A rule of another source.
    UnknownSource = "LOAD_UNKNOWN_SOURCE", "Unknown event source";
    /// A comparison with `<NA>`.
    UnsafeNaCheck = "LOAD_UNSAFE_NA_CHECK", "Unsafe <NA> comparison in condition";
    /// A condition for events of all types.
    NoEventType = "LOAD_NO_EVTTYPE", "Condition has no event-type restriction";
    /// A rule that is skipped because of its `skip-if-unknown-filter`.
    UnknownFilter = "LOAD_UNKNOWN_FILTER", "Unknown field or event-type in condition or output";
    /// A macro that no rule uses.
    UnusedMacro = "LOAD_UNUSED_MACRO", "Unused macro";
    /// A list that no rule uses.
    UnusedList = "LOAD_UNUSED_LIST", "Unused list";
    /// Neither rule, macro nor list.
    UnknownItem = "LOAD_UNKNOWN_ITEM", "Unknown rules file item";
    /// A key that future versions of Falco remove.
    DeprecatedItem = "LOAD_DEPRECATED_ITEM", "Used deprecated item";
    /// An exception without values.
    AppendNoValues = "LOAD_APPEND_NO_VALUES", "Overriding/appending with no values";
    /// Two exceptions with one name.
    ExceptionNameNotUnique = "LOAD_EXCEPTION_NAME_NOT_UNIQUE", "Multiple exceptions defined with the same name";
    /// A name of a macro that a condition cannot use.
    InvalidMacroName = "LOAD_INVALID_MACRO_NAME", "Macro has an invalid name";
    /// A name of a list that a condition cannot use.
    InvalidListName = "LOAD_INVALID_LIST_NAME", "List has an invalid name";
    /// Something unusual in a condition.
    ConditionWarning = "LOAD_COMPILE_CONDITION", "Warning in rule condition";
    /// YAML that is read, but is probably a mistake: a key that is here twice.
    UnusualYaml = "LOAD_YAML", "Unusual YAML";
    /// An unknown key.
    UnknownKey = "LOAD_UNKNOWN_KEY", "Unknown key";
    /// A value that is not spelt as in Falco's schema and is accepted all the same.
    Spelling = "LOAD_SCHEMA", "Value not in its canonical spelling";
}

impl Code {
    /// Whether the problem concerns only Falco's schema of rule files.
    #[must_use]
    pub const fn is_schema(self) -> bool {
        matches!(self, Self::UnusualYaml | Self::UnknownKey | Self::Spelling)
    }
}

/// Kinds of items of a rule file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemKind {
    /// `- rule:`
    Rule,
    /// `- macro:`
    Macro,
    /// `- list:`
    List,
    /// `- required_engine_version:`
    EngineVersion,
    /// `- required_plugin_versions:`
    PluginVersions,
}

impl fmt::Display for ItemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rule => "rule",
            Self::Macro => "macro",
            Self::List => "list",
            Self::EngineVersion => "required_engine_version",
            Self::PluginVersions => "required_plugin_versions",
        })
    }
}

/// An error or a warning about a rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Falco's code.
    pub code: Code,
    /// The message and its position.
    pub diagnostic: Diagnostic,
    /// The item of the problem; none for a problem of the whole file.
    pub item: Option<(ItemKind, Box<str>)>,
}

impl Problem {
    /// A problem of the whole file.
    #[must_use]
    pub fn new(code: Code, diagnostic: Diagnostic) -> Self {
        Self {
            code,
            diagnostic,
            item: None,
        }
    }

    /// A problem of an item.
    #[must_use]
    pub fn of(mut self, kind: ItemKind, name: &str) -> Self {
        self.item = Some((kind, name.into()));
        self
    }

    /// Whether the file cannot be used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.diagnostic.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}
