//! The request itself. The only file that speaks HTTP, through `ureq`.

use std::io::{self, Read};
use std::time::Duration;

use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Timeout};

use super::answer::Headers;
use super::part::Held;

/// How patient a download is, and how it goes to the network.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For finding the server and connecting to it.
    pub connect: Duration,
    /// Longest silence of a server.
    pub stall: Duration,
    /// Attempts that bring nothing before it gives up.
    pub attempts: u32,
    /// Pause after the first failure; doubled after every further one.
    pub pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
    /// An attempt that brings this many bytes counts as a success, and the next failure as the first.
    pub worthwhile_bytes: u64,
    /// Whether `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are heeded.
    pub heeds_proxy: bool,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            connect: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            attempts: 6,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            worthwhile_bytes: 1 << 20,
            heeds_proxy: true,
        }
    }
}

/// Readies requests to an address. One that is `https` never leads to one that is not.
pub fn agent(address: &str, patience: &Patience) -> Agent {
    // The system's certificates, so that a company's own proxy is trusted where its machines trust it.
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .https_only(address.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://")))
        .max_redirects(5)
        .user_agent(concat!("label-hub/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .timeout_resolve(Some(patience.connect))
        .timeout_connect(Some(patience.connect))
        .timeout_per_read(Some(patience.stall))
        .timeout_per_write(Some(patience.stall))
        .timeout_recv_response(Some(patience.stall))
        .tls_config(tls);
    if !patience.heeds_proxy {
        config = config.proxy(None);
    }
    config.build().new_agent()
}

/// Asks for the whole file, or for the rest of `held` if it is still the same file.
pub fn ask(agent: &Agent, address: &str, held: Option<&Held>) -> Result<(Headers, impl Read + use<>), Trouble> {
    let mut request = agent.get(address);
    if let Some(held) = held {
        request = request.header("Range", format!("bytes={}-", held.bytes)).header("If-Range", &held.etag);
    }
    let response = request.call().map_err(|e| trouble(&e))?;
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers = Headers {
        status: response.status().as_u16(),
        content_type: header("content-type"),
        content_encoding: header("content-encoding"),
        content_length: header("content-length"),
        content_range: header("content-range"),
        etag: header("etag"),
    };
    Ok((headers, response.into_body().into_reader()))
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It may work another time.
    Passing(String),
    /// It will be the same another time.
    Lasting(String),
}

fn trouble(error: &ureq::Error) -> Trouble {
    match error {
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            Trouble::Passing("the server cannot be reached".to_owned())
        }
        ureq::Error::Timeout(_) => Trouble::Passing("the server went silent".to_owned()),
        ureq::Error::HostNotFound => {
            Trouble::Passing("no server of this name is found; is there a network?".to_owned())
        }
        ureq::Error::ConnectProxyFailed(reason) => Trouble::Passing(format!("the proxy refused ({reason})")),
        // How rustls tells of a certificate it does not trust, through the connection's own errors.
        ureq::Error::Io(e) if e.kind() == io::ErrorKind::InvalidData => Trouble::Lasting(not_trusted(e)),
        ureq::Error::Rustls(e) => Trouble::Lasting(not_trusted(e)),
        ureq::Error::Io(e) => Trouble::Passing(format!("the connection failed ({e})")),
        ureq::Error::TooManyRedirects => {
            Trouble::Lasting("it leads from one address to the next without end".to_owned())
        }
        ureq::Error::RequireHttpsOnly(to) => {
            Trouble::Lasting(format!("it leads to {to}, which is not encrypted, and is not followed"))
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            Trouble::Lasting("this is no address; write it whole, as https://host/file".to_owned())
        }
        other => Trouble::Passing(other.to_string()),
    }
}

fn not_trusted(cause: &dyn std::fmt::Display) -> String {
    format!(
        "the connection cannot be trusted ({cause}). A system without certificates needs its package of them \
         (ca-certificates); one of your own network belongs into the system's store, or into a file that SSL_CERT_FILE \
         names"
    )
}

/// Why a body ended early, in words.
pub fn body_trouble(error: &io::Error) -> String {
    match error.get_ref().and_then(|cause| cause.downcast_ref::<ureq::Error>()).map(trouble) {
        Some(Trouble::Passing(words) | Trouble::Lasting(words)) => words,
        None if error.kind() == io::ErrorKind::TimedOut => "the server went silent".to_owned(),
        None => format!("the connection broke ({error})"),
    }
}
