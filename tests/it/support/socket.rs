//! The API over a service's socket, asked as small as it gets.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

/// Asks the service of that store; returns status and document of the answer.
pub(crate) fn ask(store: &Path, (method, path): (&str, &str), body: &Value) -> (u16, Value) {
    let mut socket = store.as_os_str().to_owned();
    socket.push(".sock");
    let mut stream = UnixStream::connect(Path::new(&socket)).unwrap();
    let body = body.to_string();
    let head = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

/// As `ask`, where it must be done; of a job the result.
pub(crate) fn done(store: &Path, call: (&str, &str), body: &Value) -> Value {
    let (status, mut answer) = ask(store, call, body);
    assert!((200..300).contains(&status), "{status}: {answer}");
    while status == 202 && answer["kind"].is_string() && answer["state"] == "running" {
        let path = format!("/jobs/{}", answer["id"].as_str().unwrap());
        answer = ask(store, ("GET", &path), &Value::Null).1;
    }
    assert!(answer["problem"].is_null(), "{answer}");
    if answer["kind"].is_string() && answer["result"].is_object() {
        return answer["result"].take();
    }
    answer
}
