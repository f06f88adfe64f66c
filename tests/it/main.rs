//! The true service over real HTTP and a real SQLite file. Each file is a chapter:
//!
//! - `speaking`: the command line speaks the API, whether a service runs here, elsewhere or nowhere.
//! - `cli`: what operators and support staff ask the binary, and how it answers.
//! - `unwritten`: a command whose answer cannot be written says what it has done.
//! - `origin`: who is believed: every proof of origin a source can ask for.
//! - `ingest`: bytes in, answer out: what is taken, what is refused, and that 200 means stored.
//! - `normalise`: what each provider sends becomes what the folders of `fixtures/` expect.
//! - `manifest`: every numbered edge case of a provider has a proof that exists.
//! - `order`: any order, repeats, batches and a restart leave a message in one state.
//! - `groups`: members of a group are distinguished, under all their names, and contradict no other.
//! - `channels`: what went by SMS, Viber and others is none of WhatsApp's, and a fallback is sent once.
//! - `demo`: what a newcomer sees first ends well, leaves nothing, and can be pasted.
//! - `forwarding`: what was stored reaches the subscriber, signed, in order, once settled never again.
//! - `filtering`: which subscribers are notified of which report, in which words, and why the others are not.
//! - `retrying`: what was not taken: when it is tried again, by whom it is stopped, what is kept.
//! - `replays`: many forwards sent again as a job that can be watched, stopped and killed.
//! - `resend`: from a message or a number to its forwards, and to the status again.
//! - `poisoned`: a subscriber that refuses some payloads for ever, and the others arrive.
//! - `outage`: a subscriber that is down as a whole uses up nothing, and then all arrives.
//! - `spilled`: a backlog larger than memory, and lanes that read the table.
//! - `subscribers`: who comes, changes and goes while the service runs, and who is not disturbed.
//! - `samples`: what a test sends is what a true report would have caused, and all of it is shown.
//! - `guide`: every line of `docs/integrating.md` does what is written beside it.
//! - `strict`: a later status of a message waits until the earlier is settled, where the subscriber wants it.
//! - `counted`: what is pending is counted as it changes, and to ask costs nothing.
//! - `credentials`: headers and credentials of a subscriber's own: sent, and never shown.
//! - `settings`: what can be set for a subscriber, by API, command line and table alike.
//! - `isolation`: a bad subscriber costs a good one nothing.
//! - `alerts`: what a chat is notified of failures, when, and that none is lost.
//! - `events`: what an operator is notified of the service itself.
//! - `crash`: killed at any moment it loses nothing that it acknowledged, stores nothing twice.
//! - `power`: the power goes at any moment; what was acknowledged is on the disk.
//! - `start`: what the service starts on, and what it refuses to start on.
//! - `files`: who owns the store's files, who may read them, and that they are not opened twice.
//! - `faults`: a disk, a clock, a subscriber or a client that misbehaves does no lasting harm.
//! - `reliability`: each promise of `docs/promises.md` has a fault that attacks it, a test and a control.
//! - `tidy`: which way the source depends, how long its files are, what they may not hold.
//! - `queries`: the rows that views and ready queries give, and the words that explain them.
//! - `verifying`: the secret distinguishes our requests from others, with our programs and others'.
//! - `links`: every relative link of the documents leads to a file and a heading that exist.
//! - `lists`: a list answers in time, says how far back it came, and goes on from there.
//! - `upkeep`: pruning by age, reading stored webhooks again.
//! - `api`: who may ask what over HTTP, what is answered, and how it is refused.
//! - `changes`: a change is whole, whatever becomes of its connection and of the disk.
//! - `sealing`: secrets are in the store, sealed, and what happens without their key.
//! - `matrix`: every role, owner, source and verb is answered as the table of permissions has it.
//! - `registering`: a registration joins the reports, whichever comes first.
//! - `broadcasts`: many messages sent as one, shown in Botsquad's shape.
//! - `polling`: a source that sends nothing is polled until nothing is pending, and changes are sent.
//! - `simulate`: what is played for every kind of source is believed, understood and counted.
//! - `wal`: the write-ahead log starts over under load, and says who keeps it from doing so.
//! - `placing`: where the store is looked for, who makes it, and who refuses where none is.
//! - `standby`: what another responder of the account sent is known, and outranked by the sender's own word.
//! - `account`: what providers say of templates, numbers and contacts is kept, sent once, and explains failures.
//! - `people`: a person with a new number or user id is one person.
//! - `words`: what is wrong is said in words of its reader, all of it at once, with the nearest name.
//! - `erase`: a person who wants to be forgotten leaves no trace.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set its scene has failed"
)]

mod account;
mod alerts;
mod api;

mod broadcasts;
mod changes;
mod channels;
mod cli;
mod counted;
mod crash;
mod credentials;
mod demo;
mod erase;
mod events;
mod faults;
mod files;
mod filtering;
mod forwarding;
mod groups;
mod guide;
mod ingest;
mod isolation;
mod links;
mod lists;
mod manifest;
mod matrix;
mod normalise;
mod order;
mod origin;
mod outage;
mod people;
mod placing;
mod poisoned;
mod polling;
mod power;
mod queries;
mod registering;
mod reliability;
mod replays;
mod resend;
mod retrying;
mod samples;
mod sealing;
mod settings;
mod simulate;
mod speaking;
mod spilled;
mod standby;
mod start;
mod strict;
mod subscribers;
mod support;
mod tidy;
mod unwritten;
mod upkeep;
mod verifying;
mod wal;
mod words;
