//! A subscriber's lane while this instance holds its lease, and again with each new one.
//!
//! A lane whose lease is lost begins nothing more. What is in flight ends, and is settled under the
//! epoch in which it was sent: the store writes that down, or fences it. All else the lane forgets,
//! its breaker too, since another instance sends from then on. With the next lease it begins with a
//! refill, as after a start.

use tokio::sync::watch;

use super::Forwarding;
use super::news::{LaneNews, News};
use super::task::LaneTask;
use crate::model::SubscriberKey;
use crate::store::{Error, OpenLane, Store};

/// Grants lanes: the store, and in tests what they invent.
pub(super) trait Lanes: Send + Sync {
    /// Waits until this instance holds the subscriber's lane.
    fn open(
        &self,
        subscriber_id: SubscriberKey,
    ) -> impl Future<Output = Result<OpenLane, Error>> + Send;
}

impl Lanes for Store {
    fn open(
        &self,
        subscriber_id: SubscriberKey,
    ) -> impl Future<Output = Result<OpenLane, Error>> + Send {
        self.open_lane(subscriber_id)
    }
}

/// Runs the lane until `stop` turns true, the subscriber is gone, or the store grants none.
pub(super) async fn attend<L: Lanes>(
    shared: Forwarding,
    lanes: L,
    mut news: News,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let subscriber_id = news.known().id;
        let open = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = gone(&mut news) => return,
            open = lanes.open(subscriber_id) => open,
        };
        let Ok(open) = open else { return };
        let lane = LaneTask::new(shared.clone(), news, open);
        match lane.run(stop.clone()).await {
            Some(same) => news = same,
            None => return,
        }
    }
}

/// Waits until the subscriber is gone.
async fn gone(news: &mut News) {
    while news.look() != LaneNews::Gone {
        news.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tempfile::TempDir;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::{Mutex, Semaphore, mpsc};

    use super::super::connections::Connections;
    use super::*;
    use crate::clock::Clock;
    use crate::forward::schedule::Schedule;
    use crate::forward::sender::scripted::read_request;
    use crate::forward::sender::{Sender, SenderConfig};
    use crate::model::{
        ForwardState, Kind, MessageType, NewSubscriber, Report, Status, Subscriber, Word as _,
    };
    use crate::providers::{Item, Parsed, Provider};
    use crate::store::change::InsertSubscriber;
    use crate::store::query::{ForwardQuery, Window};
    use crate::store::timeline::ForwardRecord;
    use crate::store::{Arrival, ChangeRecord, Lease, LeaseEnd, Options};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Grants the lane when the test does, and says when it is requested.
    struct LaneByHand {
        store: Store,
        requested: mpsc::UnboundedSender<()>,
        leases: Mutex<mpsc::UnboundedReceiver<Lease>>,
    }

    impl Lanes for LaneByHand {
        async fn open(&self, subscriber_id: SubscriberKey) -> Result<OpenLane, Error> {
            self.requested.send(()).unwrap();
            let lease = self.leases.lock().await.recv().await.unwrap();
            let open = self.store.open_lane(subscriber_id).await?;
            Ok(OpenLane { lease, ..open })
        }
    }

    /// A subscriber that answers each request when the test lets it.
    struct Answering {
        requests: mpsc::UnboundedReceiver<(String, TcpStream)>,
        url: String,
    }

    impl Answering {
        async fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/hook", listener.local_addr().unwrap());
            let (sender, requests) = mpsc::unbounded_channel();
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let request = read_request(&mut stream).await.unwrap();
                    let _ = sender.send((request, stream));
                }
            });
            Self { requests, url }
        }

        /// The message of the next request, and what it is answered on.
        async fn request(&mut self) -> (String, TcpStream) {
            let request = tokio::time::timeout(PATIENCE, self.requests.recv());
            let (request, stream) = request.await.expect("a request in time").unwrap();
            let (_, body) = request.split_once("\r\n\r\n").unwrap();
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            (body["msId"].as_str().unwrap().to_owned(), stream)
        }
    }

    async fn answer(mut stream: TcpStream) {
        let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    }

    /// A store with one subscriber, and what its lane sends by.
    struct House {
        forwarding: Forwarding,
        subscriber: Arc<Subscriber>,
        _folder: TempDir,
    }

    impl House {
        async fn build(url: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (clock, options) = (Clock::system(), Options::of_test(folder.path()));
            let store = Store::open(&options, clock.clone(), Arc::default()).unwrap();
            let mut new = NewSubscriber::new("crm", url);
            new.concurrency = "1".parse().unwrap();
            let finish = |(subscriber, _)| (subscriber, ChangeRecord::default());
            let insert = store.change(InsertSubscriber { new }, finish);
            let subscriber = Arc::new(insert.await.unwrap());
            let config = SenderConfig {
                allow_http: true,
                allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
                timeout: PATIENCE,
                ..SenderConfig::default()
            };
            let forwarding = Forwarding {
                store,
                sender: Arc::new(Sender::new(&config).unwrap()),
                connections: Connections::new(8),
                schedule: Arc::new(Schedule {
                    delays: vec![Duration::from_hours(1)],
                    max_age: Duration::from_hours(8),
                }),
                disable_after: Duration::from_hours(80),
                timeout: PATIENCE,
                clock,
                metrics: Arc::default(),
                resyncs: Arc::new(Semaphore::new(1)),
            };
            Self {
                forwarding,
                subscriber,
                _folder: folder,
            }
        }

        async fn commit(&self, message: &str) {
            let now_ms = self.forwarding.clock.now_ms();
            let mut report = Report::new(
                Kind::Status,
                Status::Sent.as_str(),
                None,
                message.as_bytes(),
            );
            report.message = Some(message.to_owned());
            report.status = Some(Status::Sent);
            report.time.ms = Some(now_ms);
            let arrival = Arrival {
                source: "cloud".into(),
                provider: Provider::MetaCloud,
                default_type: MessageType::Regular,
                default_sender: None,
                received_ms: now_ms,
                content_type: None,
                content_encoding: None,
                user_agent: None,
                broadcast: None,
                known: 0,
                body: message.as_bytes().to_vec(),
                parsed: Ok(Parsed {
                    items: vec![Item::Report(Box::new(report))],
                }),
            };
            self.forwarding.store.commit(arrival).await.unwrap();
        }

        async fn forwards(&self) -> Vec<ForwardRecord> {
            let query = ForwardQuery {
                window: Window::newest(100),
                ..ForwardQuery::default()
            };
            self.forwarding.store.read(query).await.unwrap().rows
        }
    }

    #[tokio::test]
    async fn a_lane_that_loses_its_lease_stops_and_goes_on_from_the_table_with_the_next() {
        let mut crm = Answering::start().await;
        let house = House::build(&crm.url).await;
        for message in ["a", "b", "c"] {
            house.commit(message).await;
        }
        let (grants, leases) = mpsc::unbounded_channel();
        let grant = || -> LeaseEnd {
            let (lease, end) = Lease::until_ended(Lease::FIRST);
            grants.send(lease).unwrap();
            end
        };
        let (requested, mut requests) = mpsc::unbounded_channel();
        let lanes = LaneByHand {
            store: house.forwarding.store.clone(),
            requested,
            leases: Mutex::new(leases),
        };
        let (_registry, settings) = watch::channel(Arc::clone(&house.subscriber));
        let news = News::new(settings, house.forwarding.store.subscribers());
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(attend(house.forwarding.clone(), lanes, news, stopped));
        requests.recv().await.unwrap();
        assert!(crm.requests.try_recv().is_err(), "it was granted nothing");
        let end = grant();
        let (first, stream) = crm.request().await;
        end.end();
        // What is committed from here on is handed over to a lane that may send nothing.
        house.commit("d").await;
        answer(stream).await;
        // It requests the lane again once what was in flight is settled.
        requests.recv().await.unwrap();
        assert!(crm.requests.try_recv().is_err(), "it went on without");
        let _end = grant();
        let mut sent = vec![first];
        while sent.len() < 4 {
            let (message, stream) = crm.request().await;
            sent.push(message);
            answer(stream).await;
        }
        stop.send_replace(true);
        running.await.unwrap();
        assert!(crm.requests.try_recv().is_err(), "{sent:?} and more");
        sent.sort();
        assert_eq!(sent, ["a", "b", "c", "d"]);
        // The store's next turn comes after what was settled before.
        house.commit("e").await;
        let forwards = house.forwards().await.into_iter();
        let ended: Vec<_> = forwards.map(|it| (it.state, it.attempts)).collect();
        let delivered = (ForwardState::Delivered, 1);
        assert_eq!(ended[0], (ForwardState::Pending, 0), "none sends it");
        assert_eq!(ended[1..], [delivered; 4]);
    }
}
