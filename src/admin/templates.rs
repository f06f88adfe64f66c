//! Templates: what a body and a language must be before a text is rendered from them.

use super::limits::{LONGEST_NAME, too_long};
use super::{Answer, By, Failure, Fault, Operations};
use crate::model::{Registration, check_template_body, is_language, replace_nul};

/// The longest body of a template, in bytes.
const LONGEST_BODY: usize = 16 * 1024;

impl Operations {
    pub(super) async fn put_template(
        &self,
        by: &By,
        (mut name, language, mut body): (String, String, String),
    ) -> Result<Answer, Failure> {
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
        self.change(by, move |changing| {
            let template = changing.put_template(&name, &language, &body)?;
            Ok(Answer::Template(template))
        })
        .await
    }
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
