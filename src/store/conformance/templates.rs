//! From which template a text is rendered, as [`Known::template`](crate::plan::group::Known::template) states it.

use super::intake::registering;
use super::{Subject, each_engine};
use crate::model::{FilledTemplate, Parameters};
use crate::store::change::WriteTemplate;
use crate::store::{ChangeRecord, Registrations};

each_engine!(a_text_is_rendered_from_the_template_that_is_meant_alone);

async fn a_text_is_rendered_from_the_template_that_is_meant_alone(subject: Subject) {
    for (name, language) in [("alone", "en"), ("order", "en"), ("order", "de")] {
        let write = WriteTemplate {
            name: name.to_owned(),
            language: language.to_owned(),
            body: format!("The {name} in {language}"),
        };
        let finish = |_| ((), ChangeRecord::default());
        subject.store.change(write, finish).await.unwrap();
    }
    let rendered = |id: &str, name: &str, language: Option<&str>| {
        let mut message = registering(id);
        message.registration.text = None;
        message.registration.template = Some(FilledTemplate {
            name: name.to_owned(),
            language: language.map(str::to_owned),
            parameters: Parameters::default(),
        });
        message
    };
    let messages = vec![
        rendered("a", "alone", None),
        rendered("b", "alone", Some("de")),
        rendered("c", "order", None),
        rendered("d", "order", Some("de")),
    ];
    let registrations = Registrations { messages };
    subject.store.commit(registrations).await.unwrap();
    let mut found = subject.messages().await;
    found.sort_by(|one, other| one.provider_message_id.cmp(&other.provider_message_id));
    let texts: Vec<_> = found.iter().map(|it| it.text.as_deref()).collect();
    assert_eq!(
        texts,
        [
            Some("The alone in en"),
            Some("alone (de)"),
            Some("order"),
            Some("The order in de"),
        ]
    );
}
