//! One row a setting: what [`sections!`] makes of it, and what documents, flags and `config show`
//! know of it.

use toml::Value;

use super::file::Table;
use super::notation::Notation;

/// How SIGHUP applies a setting whose row says that it does; `cli/serve.rs` has a way for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// The log's filter is replaced.
    LogFilter,
}

/// One setting as documents, flags and `config show` know it.
#[derive(Debug, Clone)]
pub(crate) struct SettingRow {
    /// Its full key, e.g. `server.listen`.
    pub(crate) path: &'static str,
    /// What it means, in lines that each begin with a blank.
    pub(crate) meaning: &'static str,
    /// What may be written.
    pub(super) about: String,
    /// Its value as in the file, secrets masked; `None` when it is not set.
    pub(super) value: Option<Value>,
    /// The flag without its dashes, and what its value is called.
    pub(crate) flag: Option<(&'static str, &'static str)>,
    /// What may be written, as in the file, where the default says little.
    pub(super) example: Option<&'static str>,
    /// How SIGHUP applies it; `None` when it needs a restart.
    pub(super) reloaded: Option<Reloaded>,
}

impl SettingRow {
    /// The row of a setting that has this value.
    pub(super) fn new<N: Notation>(
        path: &'static str,
        meaning: &'static str,
        notation: &N,
        value: &N::Value,
    ) -> Self {
        Self {
            path,
            meaning,
            about: notation.about(),
            value: notation.show(value),
            flag: None,
            example: None,
            reloaded: None,
        }
    }

    /// The key within its section.
    pub(super) fn key(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// The first sentence of what it means, without the full stop.
    pub(crate) fn summary(&self) -> String {
        let meaning = self.meaning.replace(['\n', '`'], "");
        let end = meaning.find(". ").unwrap_or(meaning.len());
        meaning[..end].trim().trim_end_matches('.').to_owned()
    }

    /// Whether it is true or false, so that its flag may go without a value.
    pub(crate) const fn is_switch(&self) -> bool {
        matches!(self.value, Some(Value::Boolean(_)))
    }

    /// Has a flag of its own beside `--set`.
    pub(super) const fn flag(mut self, name: &'static str, value_name: &'static str) -> Self {
        self.flag = Some((name, value_name));
        self
    }

    /// What may be written, as in the file, where the default says little.
    pub(super) const fn example(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }

    /// SIGHUP applies it, in this way.
    pub(super) const fn reloaded(mut self, how: Reloaded) -> Self {
        self.reloaded = Some(how);
        self
    }
}

/// The settings of one table of the file.
pub(super) struct SettingSection {
    /// The table, e.g. `store.retention`.
    pub(super) path: &'static str,
    /// What its settings are for, in lines that each begin with a blank.
    pub(super) meaning: &'static str,
    /// In the order of the file.
    pub(super) rows: Vec<SettingRow>,
}

/// Looks a setting up where it may be given.
pub(super) trait Decide {
    /// Its value; the default where it is not given, and after a fault, which ends it all.
    fn decide<N: Notation>(
        &self,
        table: &Table<'_>,
        key: &str,
        notation: &N,
        default: N::Value,
    ) -> N::Value;
}

/// Makes a struct of rows, with its default and what reads, shows and compares it.
///
/// A row is `field as key: Type = default, notation, options;` below its meaning. `as key` is there
/// where the field has another name than the key; options are methods of [`SettingRow`]. `with` names a
/// field that is read by other means.
macro_rules! section {
    (
        $(#[doc = $purpose:literal])+
        $Section:ident [$table:literal] $(with $(#[doc = $more:literal])+ $rest:ident: $Rest:ty)? {
            $(
                $(#[doc = $meaning:literal])+
                $field:ident $(as $key:ident)?: $Type:ty = $default:expr, $notation:expr
                    $(, $option:ident $arguments:tt)*;
            )+
        }
    ) => {
        $(#[doc = $purpose])+
        #[allow(clippy::too_long_first_doc_paragraph, reason = "the example has it too")]
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $Section {
            $( $(#[doc = $meaning])+ pub $field: $Type, )+
            $( $(#[doc = $more])+ pub $rest: $Rest, )?
        }

        impl Default for $Section {
            fn default() -> Self {
                Self { $($field: $default,)+ $($rest: <$Rest>::default(),)? }
            }
        }

        impl $Section {
            pub(super) fn read(given: &impl Decide, table: &Table<'_>) -> Self {
                let default = Self::default();
                Self {
                    $( $field: given.decide(
                        table,
                        section!(@key $field $($key)?),
                        &$notation,
                        default.$field,
                    ), )+
                    $($rest: default.$rest,)?
                }
            }

            pub(super) fn rows(&self) -> Vec<SettingRow> {
                vec![$(
                    SettingRow::new(
                        concat!($table, ".", section!(@key $field $($key)?)),
                        concat!($($meaning, "\n"),+),
                        &$notation,
                        &self.$field,
                    )
                    $(.$option $arguments)*
                ),+]
            }

            pub(super) fn differences(&self, other: &Self) -> Vec<&'static str> {
                let mut paths = Vec::new();
                $( if self.$field != other.$field {
                    paths.push(concat!($table, ".", section!(@key $field $($key)?)));
                } )+
                paths
            }
        }
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:ident) => { stringify!($key) };
}

/// Makes every [`section!`] of a [`super::Config`], and what reads, shows and compares them all.
macro_rules! sections {
    ($(
        $(#[doc = $purpose:literal])+
        $section:ident: $Section:ident [$table:literal] $rows:tt
    )+) => {
        $( section! { $(#[doc = $purpose])+ $Section [$table] $rows } )+

        impl Config {
            /// Reads every section, sources aside.
            pub(super) fn of_sections(layers: &Layers<'_>, root: &Table<'_>) -> Self {
                let section = |path| root.descend(path);
                let config = Self {
                    $( $section: $Section::read(layers, &section($table)), )+
                    ..Self::default()
                };
                $( section($table).finish(); )+
                config
            }

            /// Every section with its settings, in the order of the file.
            pub(super) fn sections(&self) -> Vec<SettingSection> {
                vec![$( SettingSection {
                    path: $table,
                    meaning: concat!($($purpose, "\n"),+),
                    rows: self.$section.rows(),
                } ),+]
            }

            /// The settings that differ, by their full keys.
            pub(super) fn differences(&self, other: &Self) -> Vec<&'static str> {
                [$( self.$section.differences(&other.$section) ),+].concat()
            }
        }
    };
}

pub(super) use {section, sections};
