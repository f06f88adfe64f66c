//! What is refused, and the line, key and remedy that the operator reads.

use super::resolve;
use crate::providers::Provider;

/// Asserts the faults of a file, each as it is printed.
fn refuses(text: &str, faults: &[&str]) {
    let error = resolve(text).expect_err(text).to_string();
    assert_eq!(error.lines().collect::<Vec<_>>(), faults, "{text}");
}

/// A wrong setting, and how it is refused.
const WRONG_SETTINGS: &[(&str, &str)] = &[
    (
        "[server]\nlisen = 'x'",
        "t.toml:2: server.lisen: unknown key: did you mean listen?",
    ),
    (
        "listen = 'x'",
        "t.toml:1: listen: unknown key here: it belongs in [server]",
    ),
    (
        "[sources]",
        "t.toml:1: sources: unknown key: did you mean source?",
    ),
    (
        "[log]\ncolour = true",
        "t.toml:2: log.colour: unknown key: known here are filter, format",
    ),
    (
        "server = 1",
        "t.toml:1: server: integer given where a table is expected: { … }",
    ),
    (
        "store = 1",
        "t.toml:1: store: integer given where a table is expected: { … }",
    ),
    (
        "[server]\nworkers = [1]",
        "t.toml:2: server.workers: write one text or number, without [ ] and { }",
    ),
    (
        "[server]\nworkers = 1.5",
        "t.toml:2: server.workers: \"1.5\" is not a whole number from 1 to 256",
    ),
    (
        "[server]\nworkers = 0x10",
        "t.toml:2: server.workers: write the number in decimal digits, without 0x, 0o or 0b",
    ),
    (
        "[server]\nworkers = 0",
        "t.toml:2: server.workers: \"0\" is not a whole number from 1 to 256",
    ),
    (
        "[server]\npublic_url = 'relay.example.com'",
        "t.toml:2: server.public_url: \"relay.example.com\" is not where providers reach this service: write e.g. \"https://relay.example.com\"",
    ),
    (
        "[server]\npublic_url = 'https://relay.example.com/?a=1'",
        "t.toml:2: server.public_url: \"https://relay.example.com/?a=1\" is not where providers reach this service: write e.g. \"https://relay.example.com\"",
    ),
    (
        "[server]\nbody_limit = '16MB'",
        "t.toml:2: server.body_limit: \"16MB\" is not a size: write bytes, or a whole number with KiB, MiB or GiB, e.g. \"16MiB\"",
    ),
    (
        "[server]\nbody_limit = 1",
        "t.toml:2: server.body_limit: \"1\" is too small: at least 64KiB",
    ),
    (
        "[forward]\n\ntimeout = 15",
        "t.toml:3: forward.timeout: \"15\" is not a duration: write a whole number and its unit, e.g. \"500ms\", \"15s\", \"5m\", \"2h\" or \"7d\"",
    ),
    (
        "[forward]\ntimeout = '0s'",
        "t.toml:2: forward.timeout: must be longer than nothing",
    ),
    (
        "[forward]\nschedule = [\n'5s',\n'soon']",
        "t.toml:4: forward.schedule[1]: \"soon\" is not a duration: write a whole number and its unit, e.g. \"500ms\", \"15s\", \"5m\", \"2h\" or \"7d\"",
    ),
    (
        "[forward]\nallow_http = 'si'",
        "t.toml:2: forward.allow_http: \"si\" is neither true nor false",
    ),
    (
        "[server]\ntrusted_proxies = ['10.0.0.1', 'localhost']",
        "t.toml:2: server.trusted_proxies[1]: \"localhost\" is neither a network nor an address: write e.g. \"10.0.0.0/8\" or \"::1\"",
    ),
    (
        "[forward]\nallow_networks = ['localhost']",
        "t.toml:2: forward.allow_networks[0]: \"localhost\" is not a network: write e.g. \"127.0.0.0/8\" or \"fd00::/8\"",
    ),
    (
        "[forward]\nproxy = 'socks5://u:hunter2@p'",
        "t.toml:2: forward.proxy: is not the URL of a proxy: write http://host:port or https://host:port",
    ),
    (
        "[store.retention]\nwebhooks_days = 7",
        "t.toml:2: store.retention.webhooks_days: \"7\" is not a whole number from 8 to 36500: a provider may deliver a webhook again for 7 days, and what is pruned by then would be taken as new",
    ),
    (
        "[store.retention]\nmessages_days = 0",
        "t.toml:2: store.retention.messages_days: \"0\" is not a whole number from 8 to 36500: a provider may deliver a webhook again for 7 days, and what is pruned by then would be taken as new",
    ),
    (
        "[log]\nfilter = 'infoo'",
        "t.toml:2: log.filter: \"infoo\" is no level: did you mean info?",
    ),
    (
        "[forward]\nschedule = []\nmax_age = '20s'",
        "t.toml:3: forward.max_age: an empty schedule and max_age = \"20s\" give up what waits for a moment, without one attempt: write a max_age of \"1m\" or more",
    ),
    (
        "[forward]\nschedule = ['1h']\nmax_age = '30m'",
        "t.toml:3: forward.max_age: max_age = \"30m\" ends before the first retry, which schedule has after \"1h\": write a longer max_age, or schedule = [] for no retry",
    ),
    (
        "[forward]\nschedule = ['1s']\ntimeout = '9d'",
        "t.toml:3: forward.timeout: max_age = \"8d\" is shorter than timeout = \"9d\": a forward would be given up before its first attempt ends; write a longer max_age or a shorter timeout",
    ),
    (
        "[store]\nurl = 'postgres://u:hunter2@db/x'",
        "t.toml:2: store.url: PostgreSQL is not built yet: write \"sqlite://tickrelay.db\"",
    ),
    (
        "[store]\nurl = 'mysql://db'",
        "t.toml:2: store.url: unknown scheme \"mysql\": write \"sqlite://tickrelay.db\"",
    ),
    (
        "[store]\nurl = 'sqlite://'",
        "t.toml:2: store.url: \"sqlite://\" names no file: write \"sqlite://tickrelay.db\"",
    ),
    (
        "[store]\nurl = 'sqlite://:memory:'",
        "t.toml:2: store.url: a store in memory would lose what it acknowledged: name a file",
    ),
    (
        "[log]\nformat = 'xml'",
        "t.toml:2: log.format: unknown log format \"xml\": expected one of text, json",
    ),
];

#[test]
fn a_wrong_setting_is_refused_with_its_line_and_a_remedy() {
    for (text, fault) in WRONG_SETTINGS {
        refuses(text, &[fault]);
    }
}

#[test]
fn an_unknown_provider_is_refused_with_all_that_are_known() {
    let known = Provider::ALL.map(Provider::as_str).join(", ");
    let fault =
        format!("t.toml:3: source.a.provider: unknown provider \"acme\": expected one of {known}");
    refuses(
        "[[source]]\nname = 'a'\nprovider = 'acme'\nurl_token = 't'",
        &[&fault],
    );
}

/// What stands after `provider =` in a wrong source, and how it is refused.
const WRONG_SOURCES: &[(&str, &str)] = &[
    (
        "'meta-cloud'",
        "t.toml:1: source.a: app_secrets is missing: copy the app secret from Meta's dashboard (App settings, Basic)",
    ),
    (
        "'meta-cloud'\napp_secrets = []",
        "t.toml:1: source.a: app_secrets is missing: copy the app secret from Meta's dashboard (App settings, Basic)",
    ),
    (
        "'meta-cloud'\napp_secret = ' '",
        "t.toml:4: source.a.app_secret: the secret is empty",
    ),
    (
        "'meta-cloud'\napp_secrets = ['x', 5]",
        "t.toml:4: source.a.app_secrets[1]: write the secret as \"…\", { env = \"NAME\" } or { file = \"path\" }",
    ),
    (
        "'meta-cloud'\napp_secret = 'x'\nheader = { name = 'h', value = 'v' }",
        "t.toml:5: source.a.header: not with provider meta-cloud: Meta sends no header of yours: give app_secrets, with which it signs",
    ),
    (
        "'meta-cloud'\napp_secret = { env = 'NONE' }",
        "t.toml:4: source.a.app_secret: the environment variable NONE is not set",
    ),
    (
        "'meta-cloud'\napp_secret = { env = 'hunter-2' }",
        "t.toml:4: source.a.app_secret: env must be the name of an environment variable",
    ),
    (
        "'meta-cloud'\napp_secret = { file = 'none/such' }",
        "t.toml:4: source.a.app_secret: cannot read none/such: No such file or directory",
    ),
    (
        "'meta-cloud'\napp_secret = { env = 'A', file = 'b' }",
        "t.toml:4: source.a.app_secret: write the secret as \"…\", { env = \"NAME\" } or { file = \"path\" }",
    ),
    (
        "'botsquad'\nurl = 'https://api.example.com'",
        "t.toml:1: source.a: authorization is missing: give { name, value } as the provider's API wants it, or write unauthenticated = true",
    ),
    (
        "'botsquad'\nunauthenticated = true",
        "t.toml:1: source.a: url is missing",
    ),
    (
        "'botsquad'\nunauthenticated = true\nurl = 'api.example.com'",
        "t.toml:5: source.a.url: is not the URL of a broadcast: write e.g. \"https://api.example.com/broadcast/{id}\"",
    ),
    (
        "'botsquad'\nunauthenticated = true\nurl = 'https://me:hunter2@api.example.com'",
        "t.toml:5: source.a.url: holds a user name: give it as authorization",
    ),
    (
        "'botsquad'\nurl = 'https://a.example'\nauthorization = { value = \"hunter2\\n\" }",
        "t.toml:5: source.a.authorization.value: no header can have this value: remove control characters, line ends and outer blanks",
    ),
    (
        "'botsquad'\nunauthenticated = true\nurl = 'https://a.example'\npoll_every = '1h'\npoll_at_most = '1m'",
        "t.toml:7: source.a.poll_at_most: is shorter than poll_every, which it is the upper bound of",
    ),
    (
        "'botsquad'\nunauthenticated = true\nurl = 'https://a.example'\npoll_evry = '1h'",
        "t.toml:6: source.a.poll_evry: unknown key: did you mean poll_every?",
    ),
    (
        "'botsquad'\nunauthenticated = true\nurl = 'https://a.example'\nsuccess_at = 'read'",
        "t.toml:6: source.a.success_at: \"read\" is neither \"sent\" nor \"delivered\"",
    ),
    (
        "'botsquad'\nunauthenticated = true\nurl = 'https://a.example'\nfields = { two = 'x' }",
        "t.toml:6: source.a.fields.two: unknown key: did you mean to?",
    ),
    (
        "'botsquad'\nunauthenticated = true\nurl = 'https://a.example'\nfields = { to = [] }",
        "t.toml:6: source.a.fields.to: names nothing: give a name, a JSON pointer, or a list of them",
    ),
    (
        "'botsquad'\nunauthenticated = true\nurl = 'https://a.example'\nstatuses = { ok = 'done' }",
        "t.toml:6: source.a.statuses.ok: unknown status \"done\": expected one of queued, sent, delivered, read, failed, deleted",
    ),
    (
        "'botsquad'\nurl = 'https://a.example'\nheader = { name = 'X-Key', value = 'v' }\nauthorization = { value = 'v' }",
        "t.toml:5: source.a.header: not with provider botsquad: it sends nothing, it is polled; give url and authorization",
    ),
    (
        "'infobip'\nurl_token = 't'\npoll_every = '1m'",
        "t.toml:5: source.a.poll_every: not with provider infobip: it sends by itself, only botsquad is polled; remove it",
    ),
    (
        "'infobip'",
        "t.toml:1: source.a: nothing authenticates its webhooks: give header, basic_auth, hmac or url_token, or write unauthenticated = true",
    ),
    (
        "'infobip'\nurl_token = 't'\nunauthenticated = true",
        "t.toml:1: source.a: unauthenticated = true contradicts what else is given: remove one of them",
    ),
    (
        "'infobip'\nurl_token = 't'\napp_secrets = ['x']",
        "t.toml:5: source.a.app_secrets: not with provider infobip: an app secret belongs to meta-cloud: if Infobip signs, give hmac = { header, algorithm, encoding, secret }",
    ),
    (
        "'infobip'\nurl_token = 'hunter2/'",
        "t.toml:4: source.a.url_token: a token stands in a URL: use letters, digits, -, _, . and ~ alone, and more than dots",
    ),
    (
        "'infobip'\nurl_token = '..'",
        "t.toml:4: source.a.url_token: a token stands in a URL: use letters, digits, -, _, . and ~ alone, and more than dots",
    ),
    (
        "'infobip'\nurl_token = 'hunter2\"'",
        "t.toml:4: source.a.url_token: a token stands in a URL: use letters, digits, -, _, . and ~ alone, and more than dots",
    ),
    (
        "'infobip'\nbasic_auth = { username = \"a\\u0000\", password = 'p' }",
        "t.toml:4: source.a.basic_auth.username: a user name cannot hold control characters",
    ),
    (
        "'infobip'\nbasic_auth = { username = 'a', password = \"hunter2\\n\" }",
        "t.toml:4: source.a.basic_auth.password: a password cannot hold control characters, a line end included",
    ),
    (
        "'infobip'\nheader = { name = 'X-Key', value = \"hunter2\\r\" }",
        "t.toml:4: source.a.header.value: no header can have this value: remove control characters, line ends and outer blanks",
    ),
    (
        "'infobip'\nheader = { name = 'X-Key', value = ' hunter2' }",
        "t.toml:4: source.a.header.value: no header can have this value: remove control characters, line ends and outer blanks",
    ),
    (
        "'infobip'\nurl_token = 't'\nsender = 'ACME'",
        "t.toml:5: source.a.sender: \"ACME\" is not a phone number: write it with its country code, e.g. \"+385910009999\"",
    ),
    (
        "'infobip'\nurl_token = 't'\nowners = ['acme', 'Beta!']",
        "t.toml:5: source.a.owners[1]: \"Beta!\" cannot be an owner: write what `token create --owner` was given, 1 to 64 of a-z, 0-9 and -",
    ),
    (
        "'infobip'\nurl_token = 't'\nsenders = ['123456789012345', '12']",
        "t.toml:5: source.a.senders[1]: \"12\" is not a phone number: write it with its country code, e.g. \"+385910009999\"",
    ),
    (
        "'infobip'\nbasic_auth = { username = 'a:b', password = 'p' }",
        "t.toml:4: source.a.basic_auth.username: a user name cannot hold a colon",
    ),
    (
        "'infobip'\nbasic_auth = { username = 'a', pasword = 'p', password = 'p' }",
        "t.toml:4: source.a.basic_auth.pasword: unknown key: did you mean password?",
    ),
    (
        "'infobip'\nheader = { name = 'X-Key:', value = 'v' }",
        "t.toml:4: source.a.header.name: \"X-Key:\" is not the name of a header: write it without a colon, e.g. \"Authorization\"",
    ),
    (
        "'infobip'\nheader = { name = 'Content-Type', value = 'application/json' }",
        "t.toml:4: source.a.header.name: every client, proxy or connection sets \"Content-Type\" by itself, so it proves nothing: name a header of your own, e.g. \"Authorization\" or \"X-Webhook-Secret\"",
    ),
    (
        "'infobip'\nhmac = { header = 'accept', algorithm = 'md5', encoding = 'hex', secret = 's' }",
        "t.toml:4: source.a.hmac.header: every client, proxy or connection sets \"accept\" by itself, so it proves nothing: name a header of your own, e.g. \"Authorization\" or \"X-Webhook-Secret\"",
    ),
    (
        "'infobip'\nheader = { name = 'Authorization', value = 'v' }\nbasic_auth = { username = 'u', password = 'p' }",
        "t.toml:1: source.a: header and basic_auth both want the header authorization, and no request has it twice: remove one of them",
    ),
    (
        "'infobip'\nhmac = { header = 'X-S', timestamp_header = 'x-s', algorithm = 'md5', encoding = 'hex', secret = 's' }",
        "t.toml:1: source.a: hmac has one header for signature and timestamp: name the one that holds the time",
    ),
    (
        "'botsquad'\nurl = 'https://a.example'\nauthorization = { name = 'Host', value = 'v' }",
        "t.toml:5: source.a.authorization.name: \"Host\" is set by the connection: name the header that the provider's API wants, e.g. \"Authorization\"",
    ),
    (
        "'botsquad'\nunauthenticated = true\nurl = 'https://a.example'\npoll_every = '1h'\npoll_for = '1m'",
        "t.toml:1: source.a: poll_for = \"1m\" is shorter than poll_every = \"1h\": nothing would be polled again; write a longer poll_for",
    ),
    (
        "'infobip'\nheader = { name = 'X-Key' }",
        "t.toml:4: source.a.header: value is missing",
    ),
    (
        "'infobip'\nhmac = { header = 'h', algorithm = 'crc', encoding = 'hex', secret = 's' }",
        "t.toml:4: source.a.hmac.algorithm: unknown algorithm \"crc\": expected one of md5, sha1, sha224, sha256, sha384, sha512",
    ),
    (
        "'infobip'\nhmac = { header = 'h', algorithm = 'md5', encoding = 'hex' }",
        "t.toml:4: source.a.hmac: secret is missing",
    ),
    (
        "'360dialog'\nurl_token = 't'\nverify_token = 'v'",
        "t.toml:5: source.a.verify_token: not with provider 360dialog: only meta-cloud sends it: remove it",
    ),
    (
        "'360dialog'\nurl_token = 't'\ndefault_type = 'Letter'",
        "t.toml:5: source.a.default_type: unknown message type \"Letter\": expected one of Regular-Message, Template-Message",
    ),
    (
        "'360dialog'\nurl_token = 't'\nsender = ''",
        "t.toml:5: source.a.sender: is empty: give a value or remove the key",
    ),
    (
        "'360dialog'\nurl_token = 't'\nsendr = '1'",
        "t.toml:5: source.a.sendr: unknown key: did you mean sender?",
    ),
    (
        "'360dialog'\nurl_token = 't'\n[[source]]\nname = 'a'\nprovider = 'infobip'\nurl_token = 't'",
        "t.toml:5: source[1]: the name \"a\" is taken by the source at t.toml:1: names make URLs and must differ",
    ),
];

#[test]
fn a_wrong_source_is_refused_with_what_to_do() {
    const ID: &str = "[[source]]\nname = 'a'\nprovider = ";
    for (rest, fault) in WRONG_SOURCES {
        refuses(&format!("{ID}{rest}"), &[fault]);
    }
    refuses(
        "[[source]]\nname = 'A b'\nprovider = 'infobip'\nurl_token = 't'",
        &[
            "t.toml:2: source[0].name: \"A b\" cannot be a name: it makes the URL /webhooks/{name}, so write 1 to 64 of a-z, 0-9 and -",
        ],
    );
    refuses(
        "[source]\nname = 'a'",
        &["t.toml:1: source: write [[source]], in two brackets: there may be several"],
    );
}

#[test]
fn every_fault_is_listed_in_the_order_of_the_file() {
    refuses(
        "[log]\nformat = 1\n[server]\nworkers = 'x'\nlisen = 1\n",
        &[
            "t.toml:2: log.format: unknown log format \"1\": expected one of text, json",
            "t.toml:4: server.workers: \"x\" is not a whole number from 1 to 256",
            "t.toml:5: server.lisen: unknown key: did you mean listen?",
        ],
    );
}

#[test]
fn broken_syntax_is_refused_without_repeating_the_line() {
    let error = resolve("[[source]]\nverify_token = \"hunter2\n").unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("t.toml:2: not TOML: "), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}
