//! Templates: what a body and a language must be before a text is rendered from them.

use std::convert::identity;

use super::audit::Note;
use super::limits::{LONGEST_NAME, too_long};
use super::operation::By;
use super::{Failure, Fault, Operation, Operations};
use crate::access::Permission;
use crate::model::{Registration, check_template_body, is_language, replace_nul};
use crate::store::TemplateRecord;
use crate::store::change::{DeleteTemplate, WriteTemplate};

/// The longest body of a template, in bytes.
const LONGEST_BODY: usize = 16 * 1024;

/// Write a template's body.
#[derive(Debug, Clone)]
pub struct PutTemplate {
    /// Its name.
    pub name: String,
    /// The code of its language.
    pub language: String,
    /// The text, with placeholders as in `{{1}}` or `{{name}}`.
    pub body: String,
}

/// Remove a template.
#[derive(Debug, Clone)]
pub struct RemoveTemplate {
    /// Its name.
    pub name: String,
    /// The code of its language.
    pub language: String,
}

impl Operation for PutTemplate {
    type Answer = TemplateRecord;
    const NEEDS: Permission = Permission::WriteTemplates;

    fn note(&self) -> Option<Note> {
        Some(note("written", &self.name, &self.language))
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<TemplateRecord, Failure> {
        let Self {
            mut name,
            language,
            mut body,
        } = self;
        replace_nul(&mut name);
        replace_nul(&mut body);
        let mut faults = Vec::new();
        for (field, text, most) in [
            ("name", &name, LONGEST_NAME),
            ("language", &language, LONGEST_NAME),
            ("/body", &body, LONGEST_BODY),
        ] {
            faults.extend(too_long(field, text, most));
        }
        if !language.is_empty() && !is_language(&language) {
            faults.push(Fault::new("language", not_a_language(&language)));
        }
        if let Err(why) = check_template_body(&body) {
            faults.push(Fault::new("/body", why.to_string()));
        }
        if !faults.is_empty() {
            return Err(Failure::Invalid(faults));
        }
        let write = WriteTemplate {
            name,
            language,
            body,
        };
        operations.change(by, write, identity).await
    }
}

impl Operation for RemoveTemplate {
    type Answer = ();
    const NEEDS: Permission = Permission::WriteTemplates;

    fn note(&self) -> Option<Note> {
        Some(note("removed", &self.name, &self.language))
    }

    async fn run(self, operations: &Operations, by: &By<Self>) -> Result<(), Failure> {
        let Self { name, language } = self;
        let delete = DeleteTemplate { name, language };
        operations.change(by, delete, identity).await
    }
}

fn note(done: &'static str, name: &str, language: &str) -> Note {
    Note::new("template", done).with_id(&format_args!("{name}/{language}"))
}

/// What is wrong with a code that no language has.
fn not_a_language(code: &str) -> String {
    let shown: String = code.chars().take(40).collect();
    format!("{shown:?} is no code of a language: write it as in en, pt_BR or zh-Hans-CN")
}

/// Fault of a template whose language is none.
pub(super) fn wrong_language(registration: &Registration) -> Option<Fault> {
    let language = registration.template.as_ref()?.language.as_ref()?;
    // That an empty one is too short is said already.
    let is_wrong = !language.is_empty() && !is_language(language);
    is_wrong.then(|| Fault::new("/template/language", not_a_language(language)))
}
