//! What of a request is signed.

use std::borrow::Cow;

use super::WebhookRequest;

/// What of a request a signature is made of.
#[derive(Debug, Clone, Copy, Default)]
pub enum Content {
    /// The body, byte for byte.
    #[default]
    Body,
    /// What a provider's own function makes of method, URL, headers and body, such as the URL and the
    /// sorted parameters of a form. A source with one needs `server.public_url`.
    Request(fn(WebhookRequest<'_>) -> Vec<u8>),
}

impl Content {
    pub(super) fn of(self, request: WebhookRequest<'_>) -> Cow<'_, [u8]> {
        match self {
            Self::Body => Cow::Borrowed(request.body),
            Self::Request(content) => Cow::Owned(content(request)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, Authentication, Encoding, Method, RequestHeaders, Signature};
    use super::*;

    /// The URL and each parameter's name and value, sorted by name, as some providers sign.
    fn url_and_sorted_form(request: WebhookRequest<'_>) -> Vec<u8> {
        let mut parameters: Vec<_> = url::form_urlencoded::parse(request.body).collect();
        parameters.sort();
        let mut content = request.url.to_owned();
        for (name, value) in parameters {
            content.extend([name, value]);
        }
        content.into_bytes()
    }

    fn check(url: &str, body: &str, signature: &str) -> bool {
        let authentication = Authentication {
            methods: vec![Method::Signature(Signature {
                header: "X-Signature".to_owned(),
                algorithm: Algorithm::Sha1,
                encoding: Encoding::Base64,
                prefix: None,
                secrets: vec!["example_auth_token".into()],
                timestamp_header: None,
                content: Content::Request(url_and_sorted_form),
            })],
        };
        let headers: RequestHeaders = [("x-signature", signature)].into_iter().collect();
        let request = WebhookRequest {
            headers: &headers,
            ..WebhookRequest::post(url, body.as_bytes())
        };
        authentication.check_head(request).is_ok() && authentication.check_body(request).is_ok()
    }

    // Made by another implementation: Python's hmac over what urllib reads of the form.
    #[test]
    fn a_provider_may_sign_the_url_and_the_sorted_parameters_of_a_form() {
        let plain = "https://relay.example.com/webhooks/acme";
        let url = "https://relay.example.com/webhooks/acme?type=template&note=a%20b";
        let form =
            "To=%2B34600000001&MessageStatus=delivered&MessageId=SM01&Empty=&Text=Jos%C3%A9+%26+co";
        let turned =
            "Text=Jos%C3%A9+%26+co&Empty=&MessageId=SM01&MessageStatus=delivered&To=%2B34600000001";
        let of_form = "cjGdQyWbYUMVwQlJvsj8sm6wVB8=";
        let of_nothing = "ZzkZArM3h2iPI0EajYcF1acgUUQ=";
        let cases = [
            ((url, form, of_form), true),
            ((url, turned, of_form), true),
            ((plain, "", of_nothing), true),
            ((plain, form, of_form), false),
            ((&url.replace("%20", "+"), form, of_form), false),
            ((&url.replace("https", "http"), form, of_form), false),
            ((url, &form.replace("delivered", "failed"), of_form), false),
            ((url, form, of_nothing), false),
        ];
        for ((url, body, signature), expected) in cases {
            assert_eq!(check(url, body, signature), expected, "{url} {body}");
        }
    }
}
