//! What the tests of the model manager share: a small web server on this machine that misbehaves as it is told, and
//! something to download from it.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use label_hub::models::{Entry, GetRequest, ModelsFolder, Origin, Patience};

/// How a reply ends once its bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Close,
    /// Keeps the connection and says nothing more.
    Stall,
    /// Sends its bytes again and again.
    Endless,
}

/// What the server says to one request.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub then: Then,
}

impl Reply {
    pub fn new(status: &'static str, body: &[u8]) -> Self {
        Reply { status, headers: Vec::new(), body: body.to_vec(), then: Then::Close }
    }

    /// The whole file.
    pub fn whole(content: &[u8]) -> Self {
        Self::new("200 OK", content).with("Content-Length", content.len()).with("ETag", "\"one\"")
    }

    /// The file from `start` on.
    pub fn rest(content: &[u8], start: usize) -> Self {
        let range = format!("bytes {start}-{}/{}", content.len() - 1, content.len());
        let rest = &content[start..];
        let reply = Self::new("206 Partial Content", rest).with("Content-Length", rest.len());
        reply.with("Content-Range", range).with("ETag", "\"one\"")
    }

    /// Sets or replaces a header.
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_string()));
        self
    }

    /// Sends only so many bytes of the body.
    pub fn cut(mut self, length: usize, then: Then) -> Self {
        self.body.truncate(length);
        self.then = then;
        self
    }
}

/// A request as it came: its first line and its headers, in lower case.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub line: String,
    pub headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Answers one connection after the other with the replies it was given, the last one again and again.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    held: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let held = Arc::new(Mutex::new(Vec::new()));
        let (seen, kept) = (Arc::clone(&requests), Arc::clone(&held));
        let serve = move || {
            let mut replies = replies.into_iter().peekable();
            let mut last = None;
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let Some(request) = read_request(&stream) else { return };
                seen.lock().expect("no panic before").push(request);
                last = replies.next().or(last);
                let reply = last.clone().expect("a server has a reply");
                // The client may have had enough before everything is sent.
                send(&mut stream, &reply).ok();
                match reply.then {
                    Then::Stall => kept.lock().expect("no panic before").push(stream),
                    Then::Close | Then::Endless => drop(stream.shutdown(Shutdown::Write)),
                }
            }
        };
        let thread = std::thread::Builder::new().name("server".to_owned()).spawn(serve).expect("a thread");
        Server { address, requests, held, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}/model.pt", self.address)
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic before").clone()
    }

    /// Waits until so many requests came.
    pub fn expect_requests(&self, count: usize) {
        for _ in 0..2000 {
            if self.requests().len() >= count {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("only {} requests came", self.requests().len());
    }
}

/// Waits until a file that is being written has so many bytes.
pub fn wait_for_bytes(path: &Path, count: u64) {
    let start = Instant::now();
    while std::fs::metadata(path).map_or(0, |facts| facts.len()) < count {
        assert!(start.elapsed() < Duration::from_secs(120), "{}: no {count} bytes came", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.held.lock().expect("no panic before").clear();
        // A connection without a request ends the thread.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let mut request = Request { line: lines.next()?.ok()?, headers: Vec::new() };
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some(request)
}

fn send(stream: &mut TcpStream, reply: &Reply) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(&reply.body)?;
    if reply.then != Then::Endless {
        return Ok(());
    }
    // Until the client hangs up.
    loop {
        stream.write_all(&reply.body)?;
    }
}

/// What is downloaded: bytes of no pattern that repeats.
pub fn content() -> Vec<u8> {
    let mut state = 0x2545_F491_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..200_000).map(|_| next()).collect()
}

/// A model of the registry that is [`content`].
pub fn entry(address: &str) -> Entry {
    let origin = Origin::Published { address: address.to_owned(), about_bytes: content().len() as u64, sha256: None };
    Entry { id: "testmodel".to_owned(), origin, licence: "MIT".to_owned(), good_for: "tests".to_owned() }
}

/// Stands for the model reader: only [`content`] is the model.
pub fn is_content(path: &Path, _id: &str) -> Result<(), String> {
    let found = std::fs::read(path).map_err(|e| e.to_string())?;
    if found == content() { Ok(()) } else { Err(format!("{} other bytes", found.len())) }
}

/// A request that loses its patience quickly.
pub fn request(server: &Server, folder: &Path) -> GetRequest {
    let mut request = GetRequest::new(entry(&server.url()), ModelsFolder::at(folder.join("models")));
    request.confirm = is_content;
    request.patience = Patience {
        connect: Duration::from_secs(5),
        stall: Duration::from_millis(150),
        attempts: 4,
        pause: Duration::from_millis(2),
        longest_pause: Duration::from_millis(10),
        worthwhile_bytes: 1 << 20,
        heeds_proxy: false,
    };
    request
}

/// What lies in the folder, but for the lock, by name.
pub fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.join("models")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.ends_with(".lock"));
    names.sort();
    names
}

/// The model file.
pub fn model_file(folder: &Path) -> PathBuf {
    folder.join("models/testmodel.pt")
}
