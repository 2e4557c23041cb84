//! Gates: the only ways out of a job's own network, each to one port of one host.
//!
//! Before the launcher goes into its namespaces it leaves a keeper behind, which stays in the machine's network. Inside, a gate is a socket that
//! listens on the loopback interface, at an address that `/etc/hosts` gives the host's name there; the keeper is handed it, takes its connections
//! (a socket stays in the network that it was made in), and makes one to the host for each. So no client needs to know of a proxy, and what goes
//! through is not looked at: who is at the other end is for TLS to tell.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream, ToSocketAddrs as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::io::Errno;
use rustix::mount::mount_bind;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

use super::spec::Gate;
use super::sys::{self, Fork};

/// Listening sockets of one job: two for a gate to this machine, one for any other. The kernel hands over no more than 253 at once.
const MAX_SOCKETS: usize = 2 * Gate::MAX;

/// Connections at one time; who asks for more is turned away.
const MAX_OPEN: usize = 256;

/// To find a host, and for each of its addresses to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the launcher keeps of its keeper.
pub struct Keeper(OwnedFd);

/// Leaves a keeper behind in this network. It ends with this process; `None` where there are no gates.
pub fn leave_keeper(gates: &[Gate]) -> anyhow::Result<Option<Keeper>> {
    if gates.is_empty() {
        return Ok(None);
    }
    ensure!(gates.len() <= Gate::MAX, "{} gates", gates.len());
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .context("make a pair of sockets")?;
    let launcher = getpid();
    match sys::fork().context("fork")? {
        Fork::Parent(_) => Ok(Some(Keeper(ours))),
        Fork::Child => {
            drop(ours);
            let code = keep((launcher, &theirs), gates).map_or(1, |()| 0);
            #[expect(clippy::exit, reason = "a forked child has no caller to return to")]
            std::process::exit(code)
        }
    }
}

/// Opens the gates in the network that this process has come to, hands them to the keeper, and lets their names be found below `new`, the
/// root that is being built.
pub fn open(keeper: &Keeper, gates: &[Gate], new: &Path) -> anyhow::Result<()> {
    let (mut sockets, mut numbers) = (Vec::new(), Vec::new());
    let places = places(gates);
    for (number, gate) in (0_u8..).zip(gates) {
        for address in addresses(gate, &places) {
            match TcpListener::bind((address, gate.port)) {
                Ok(socket) => {
                    sockets.push(socket);
                    numbers.push(number);
                }
                // A machine without that version of the protocol.
                Err(err) if address.is_ipv6() && err.kind() != io::ErrorKind::AddrInUse => {}
                Err(err) => return Err(err).with_context(|| format!("open a gate to {gate}")),
            }
        }
    }
    let fds: Vec<_> = sockets.iter().map(|socket| socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut handed = SendAncillaryBuffer::new(&mut space);
    ensure!(
        handed.push(SendAncillaryMessage::ScmRights(&fds)),
        "too many gates"
    );
    let text = [IoSlice::new(&numbers)];
    sendmsg(&keeper.0, &text, &mut handed, SendFlags::NOSIGNAL).context("hand over the gates")?;
    name_hosts(&places, new)
}

/// An address inside for each host that is not this machine.
fn places(gates: &[Gate]) -> BTreeMap<&str, Ipv4Addr> {
    let mut places = BTreeMap::new();
    for gate in gates.iter().filter(|gate| !gate.is_local()) {
        let n = u8::try_from(places.len() + 1).unwrap_or(u8::MAX);
        places
            .entry(gate.host.as_str())
            .or_insert(Ipv4Addr::new(127, 86, 0, n));
    }
    places
}

fn addresses(gate: &Gate, places: &BTreeMap<&str, Ipv4Addr>) -> Vec<IpAddr> {
    match places.get(gate.host.as_str()) {
        Some(place) => vec![IpAddr::V4(*place)],
        None => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
    }
}

/// The job's own `/etc/hosts`.
fn name_hosts(places: &BTreeMap<&str, Ipv4Addr>, new: &Path) -> anyhow::Result<()> {
    let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    for (host, place) in places {
        text.push_str(&format!("{place} {host}\n"));
    }
    // It may be a link, whose way is that of the machine.
    let hosts = fs::canonicalize("/etc/hosts").context("find `/etc/hosts`")?;
    let place = new.join(hosts.strip_prefix("/")?);
    let file = new.join(".hosts");
    fs::write(&file, text)?;
    mount_bind(&file, &place).context("lay a file over `/etc/hosts`")
}

/// Takes connections until this process is killed.
fn keep((parent, launcher): (Pid, &OwnedFd), gates: &[Gate]) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // One that died before would never be heard of.
    ensure!(getppid() == Some(parent), "the launcher is gone");
    // The guard waits for the end of the launcher's output.
    let null = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;

    let mut numbers = [0; MAX_SOCKETS];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut handed = RecvAncillaryBuffer::new(&mut space);
    let text = &mut [IoSliceMut::new(&mut numbers)];
    let n = loop {
        match recvmsg(launcher, text, &mut handed, RecvFlags::CMSG_CLOEXEC) {
            Ok(message) => break message.bytes,
            Err(Errno::INTR) => {}
            Err(err) => return Err(err).context("be handed the gates"),
        }
    };
    let sockets: Vec<TcpListener> = handed
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .map(TcpListener::from)
        .collect();
    // None if the launcher is gone.
    ensure!(
        n == sockets.len(),
        "{} sockets for {n} gates",
        sockets.len()
    );
    let n_open = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = numbers
        .iter()
        .zip(sockets)
        .filter_map(|(&number, socket)| {
            let gate = gates.get(usize::from(number))?.clone();
            let n_open = Arc::clone(&n_open);
            Some(thread::spawn(move || attend(&socket, &gate, &n_open)))
        })
        .collect();
    for thread in threads {
        drop(thread.join());
    }
    Ok(())
}

/// Attends to one gate for ever.
fn attend(socket: &TcpListener, gate: &Gate, n_open: &Arc<AtomicUsize>) {
    loop {
        let Ok((inside, _)) = socket.accept() else {
            // Nobody can be let in just now.
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        if n_open.fetch_add(1, Ordering::Relaxed) >= MAX_OPEN {
            n_open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (gate, open) = (gate.clone(), Arc::clone(n_open));
        let relay = move || {
            // What fails is seen inside as a connection that ends.
            drop(connect(&gate).and_then(|outside| relay(&inside, &outside)));
            open.fetch_sub(1, Ordering::Relaxed);
        };
        if thread::Builder::new().spawn(relay).is_err() {
            n_open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn connect(gate: &Gate) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (gate.host.as_str(), gate.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(err) => last = err,
        }
    }
    Err(last)
}

/// Hands on what each side says until both have ended.
fn relay(inside: &TcpStream, outside: &TcpStream) -> io::Result<()> {
    thread::scope(|scope| {
        let back = thread::Builder::new().spawn_scoped(scope, || one_way(outside, inside))?;
        let there = one_way(inside, outside);
        drop(back.join());
        there
    })
}

fn one_way(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    let copied = io::copy(&mut from, &mut to);
    // Who hears no more need not be told more.
    drop((to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read)));
    copied.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(host: &str, port: u16) -> Gate {
        Gate {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn a_host_has_one_address_and_this_machine_its_own() {
        let gates = [
            gate("a.example", 443),
            gate("localhost", 8080),
            gate("b.example", 443),
            gate("a.example", 8443),
        ];
        let places = places(&gates);
        let shown: Vec<String> = gates
            .iter()
            .map(|gate| format!("{:?}", addresses(gate, &places)))
            .collect();
        assert_eq!(
            shown,
            [
                "[127.86.0.1]",
                "[127.0.0.1, ::1]",
                "[127.86.0.2]",
                "[127.86.0.1]"
            ]
        );
    }
}
