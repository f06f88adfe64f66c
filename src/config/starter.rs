//! The file that `tickrelay init` writes: short, valid as it is, its secrets generated.

use rand::TryRng;
use rand::rngs::{SysError, SysRng};

/// How a secret begins that only the provider can tell; the rest is random, so that
/// nobody can use it before it is filled in.
pub(super) const PLACEHOLDER: &str = "fill-me-in-";

/// A configuration to start with; every call makes other secrets.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn starter() -> Result<String, SysError> {
    let (placeholder, verify_token) = (secret()?, secret()?);
    let (password, header) = (secret()?, secret()?);
    Ok(format!(
        r#"# tickrelay: where webhooks come from. Every other setting has a default; all of them
# stand in config.example.toml (`tickrelay config example`). After an edit run
# `tickrelay config check`.
#
# This file holds secrets. Instead of "…" a secret may be written as {{ env = "NAME" }}
# or {{ file = "path" }}.

[server]
listen = "127.0.0.1:8080"

[store]
url = "sqlite://tickrelay.db"

# WhatsApp from Meta's Cloud API. Remove this source if you do not use it.
[[source]]
name = "meta"
provider = "meta-cloud"
# FILL IN, from Meta's app dashboard: App settings, Basic, App secret. Until then every
# webhook is refused.
app_secrets = ["{PLACEHOLDER}{placeholder}"]
# Generated. GIVE IT TO META: WhatsApp, Configuration, Webhook, Verify token; the callback
# URL beside it is https://YOUR-HOST/webhooks/meta. Then subscribe the field "messages".
verify_token = "{verify_token}"

# WhatsApp from Infobip. Remove this source if you do not use it.
[[source]]
name = "infobip"
provider = "infobip"
# Generated. GIVE IT TO INFOBIP: in the notification profile of your subscription, security
# settings of type Basic; the URL is https://YOUR-HOST/webhooks/infobip.
basic_auth = {{ username = "infobip", password = "{password}" }}
# FILL IN your WhatsApp sender, for the reports that do not repeat it, and remove the #.
# sender = "+385910009999"

# WhatsApp from 360dialog. To use it, remove the # and register the URL
# https://YOUR-HOST/webhooks/360dialog together with this header.
# [[source]]
# name = "360dialog"
# provider = "360dialog"
# header = {{ name = "Authorization", value = "Bearer {header}" }}
# A PARTNER of 360dialog has its webhooks signed: with the platform secret of the Partner Hub.
# hmac = {{ header = "x-360dialog-signature", algorithm = "sha256", encoding = "hex", secret = "PLATFORM SECRET" }}
"#
    ))
}

/// 192 random bits in hexadecimal digits, which every dashboard and URL accepts.
fn secret() -> Result<String, SysError> {
    let mut bytes = [0_u8; 24];
    SysRng.try_fill_bytes(&mut bytes)?;
    Ok(hex::encode(bytes))
}
