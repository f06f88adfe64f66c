//! The OpenAPI document, from the code; what every operation shares is added here, once.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::X_CONTENT_TYPE_OPTIONS;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, HeaderBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, OpenApiBuilder,
    PathItem, Ref, RefOr, Required, ResponseBuilder, ServerBuilder, Type,
};

use super::{BASE, Endpoint, Paths, endpoints, once};
use crate::access::{Reach, Role, TABLE};
use crate::model::{Fault, Word as _};
use crate::web::problem::{MEDIA_TYPE, ProblemView};

static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(build);

/// The document, as it is served.
#[must_use]
pub fn openapi() -> &'static OpenApi {
    &DOCUMENT
}

pub(super) async fn show() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .json(openapi())
}

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(ProblemView, Fault)))]
struct SharedSchemas;

fn build() -> OpenApi {
    let paths = Paths::openapi();
    let mut components = paths.components.unwrap_or_default();
    if let Some(shared) = SharedSchemas::openapi().components {
        components.schemas.extend(shared.schemas);
    }
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some(
        "A token, as `tickrelay token create --role admin --name NAME` makes one on the relay's \
         machine."
            .to_owned(),
    );
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let mut document = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("tickrelay")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .license(Some(
                    LicenseBuilder::new()
                        .name("MIT")
                        .identifier(Some("MIT"))
                        .build(),
                ))
                .build(),
        )
        .servers(Some([ServerBuilder::new().url(BASE).build()]))
        .paths(paths.paths)
        .components(Some(components))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>(
            "token",
            [],
        )]))
        .build();
    for endpoint in endpoints() {
        let item = document.paths.paths.get_mut(endpoint.path);
        if let Some(operation) = item.and_then(|item| operation(item, &endpoint)) {
            complete(operation, &endpoint);
        }
    }
    document
}

const DESCRIPTION: &str = "The management API: what the command line can do, over HTTP.

Lists come in pages: follow `next_cursor` until it is null. A POST with an `Idempotency-Key` that is \
sent again within 24 h is not done again and gets the same answer. Errors are problem details \
(RFC 9457); `errors` names each field. Fields may be added to answers at any time.";

fn operation<'a>(item: &'a mut PathItem, endpoint: &Endpoint) -> Option<&'a mut Operation> {
    let operation = match endpoint.method.as_str() {
        "GET" => &mut item.get,
        "PUT" => &mut item.put,
        "POST" => &mut item.post,
        "PATCH" => &mut item.patch,
        "DELETE" => &mut item.delete,
        _ => return None,
    };
    operation.as_mut()
}

/// Adds what every operation has: who may, how it fails, and a POST's key.
fn complete(operation: &mut Operation, endpoint: &Endpoint) {
    let roles: Vec<&str> = Role::ALL
        .iter()
        .copied()
        .filter(|role| role.may(endpoint.permission))
        .map(Role::as_str)
        .collect();
    let rule = TABLE
        .iter()
        .find(|rule| rule.permission == endpoint.permission);
    let (words, reach) = rule.map_or(("", Reach::Whole), |rule| (rule.words, rule.reach));
    let who = format!(
        "Who may {words}: {}. What a token narrowed by --owner or --source may: {}.",
        roles.join(", "),
        reach.as_str()
    );
    operation.description = Some(match operation.description.take() {
        Some(text) => format!("{text}\n\n{who}"),
        None => who,
    });
    let module = operation.tags.iter().flatten().next().cloned();
    let name = operation.operation_id.take().unwrap_or_default();
    operation.operation_id = module.map(|module| format!("{module}-{name}").replace('_', "-"));
    let is_post = endpoint.method == "POST";
    if is_post {
        operation
            .parameters
            .get_or_insert_default()
            .push(idempotency_key());
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(response) = response {
                let header = text_header("`true` when this answer was given before.");
                response.headers.insert(once::REPLAYED.to_owned(), header);
            }
        }
    }
    add_failures(operation, is_post, super::BULK.contains(&endpoint.path));
}

/// Adds how an operation can fail.
fn add_failures(operation: &mut Operation, is_post: bool, is_bulk: bool) {
    let takes_body = operation.request_body.is_some();
    let failures = [
        ("401", "No token, or one that does not hold.", true),
        (
            "403",
            "The role, or a token so narrowed, may not do this.",
            true,
        ),
        (
            "404",
            "There is no such thing, or not for this token.",
            true,
        ),
        ("409", "It contradicts what is there.", is_post),
        (
            "408",
            "The body took longer than 30 s to arrive.",
            takes_body,
        ),
        (
            "413",
            if is_bulk {
                "The body is larger than 16 MiB."
            } else {
                "The body is larger than 1 MiB."
            },
            is_post || takes_body,
        ),
        ("415", "The body is not said to be JSON.", takes_body),
        (
            "422",
            "Something in the request is not as it must be; `errors` names it.",
            true,
        ),
        ("429", "Too many requests without a token that holds.", true),
        ("500", "Our own failure; the service's log says why.", true),
        (
            "503",
            "The store, or the memory, has no room for it now, but may soon.",
            true,
        ),
    ];
    for (status, words, applies) in failures {
        if applies {
            let problem = failure(status, words);
            operation
                .responses
                .responses
                .insert(status.to_owned(), problem);
        }
    }
}

fn idempotency_key() -> utoipa::openapi::path::Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some("^[!-~]+$"))
        .build();
    ParameterBuilder::new()
        .name(once::HEADER)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Any text of your own, a UUID is usual: sent again with it, the request is not done \
             again and gets the same answer. When the service ended before the first was answered, \
             a repeat is answered 409: look whether it was done, then use a new key.",
        ))
        .schema(Some(schema))
        .build()
}

fn text_header(words: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .schema(ObjectBuilder::new().schema_type(Type::String).build())
        .description(Some(words))
        .build()
}

fn failure(status: &str, words: &str) -> RefOr<utoipa::openapi::Response> {
    let mut response = ResponseBuilder::new().description(words).content(
        MEDIA_TYPE,
        Content::new(Some(Ref::from_schema_name("Problem"))),
    );
    match status {
        "401" => {
            response = response.header("WWW-Authenticate", text_header("How to authenticate."));
        }
        "429" | "503" => {
            response = response.header(
                "Retry-After",
                text_header("When to come again, in seconds."),
            );
        }
        _ => {}
    }
    RefOr::T(response.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_every_route_and_no_other() {
        let document = openapi();
        let mut documented: Vec<String> = Vec::new();
        for (path, item) in &document.paths.paths {
            let item = serde_json::to_value(item).unwrap();
            for method in item.as_object().unwrap().keys() {
                documented.push(format!("{} {path}", method.to_uppercase()));
            }
        }
        let mut routed: Vec<String> = endpoints()
            .iter()
            .map(|endpoint| format!("{} {}", endpoint.method, endpoint.path))
            .collect();
        documented.sort();
        routed.sort();
        assert_eq!(documented, routed);
    }
}
