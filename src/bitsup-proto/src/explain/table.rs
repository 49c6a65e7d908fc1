//! The entries, the most particular first.

use super::Key;
use crate::error::ErrorKind;
use crate::packet::PacketType;

/// One explanation.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Where it applies.
    pub key: Key,
    /// What happened, as part of an error message: no capital, no full stop.
    pub title: &'static str,
    /// The likely causes.
    pub cause: &'static str,
    /// The next step, with options by id.
    pub(super) advice: &'static str,
}

const ANY: Key = Key { status: None, code: None, context: None, packet: None, bits: None };

const fn status(status: u16) -> Key {
    Key { status: Some(status), ..ANY }
}

const fn code(code: u32) -> Key {
    Key { code: Some(code), ..ANY }
}

/// All explanations; the first that applies counts.
pub const TABLE: &[Entry] = &[
    Entry {
        key: code(0x8020_001F),
        title: "the server does not know the session",
        cause: "The session was idle for longer than the server keeps it (IIS: BITSSessionTimeout, 14 days), was deleted because the user had more than BITSNumberOfSessionsLimit of them (IIS: 50), or the request reached another member of a farm.",
        advice: "Start the upload again. If it happens repeatedly, run fewer uploads at once, and let the load balancer keep a client on one server or set BITSHostId.",
    },
    Entry {
        key: Key { status: Some(408), code: Some(0x8007_0112), context: Some(7), ..ANY },
        title: "the application behind the server did not answer in time",
        cause: "IIS waits 5 minutes for the application that BITSServerNotificationURL names.",
        advice: "The data is on the server: starting {same_upload} again sends the last part again. If the error persists, ask the administrator to check that application.",
    },
    Entry {
        key: Key { status: Some(500), code: Some(0x8007_0112), ..ANY },
        title: "the server's disk is full",
        cause: "The volume with the server's BITS-Sessions folder has no space left.",
        advice: "Ask the administrator for space; {same_upload} continues then.",
    },
    Entry {
        key: code(0x8007_0070),
        title: "the server's disk is full",
        cause: "The volume with the server's BITS-Sessions folder has no space left.",
        advice: "Ask the administrator for space; {same_upload} continues then.",
    },
    Entry {
        key: code(0x8020_0020),
        title: "the file is larger than the server takes",
        cause: "The virtual directory's BITSMaximumUploadSize is smaller than the file.",
        advice: "Ask the administrator to raise BITSMaximumUploadSize, or upload a smaller file.",
    },
    Entry {
        key: code(0x8020_0023),
        title: "the server's directory allows scripts to run",
        cause: "IIS takes no uploads into a directory with script or execute permission.",
        advice: "Ask the administrator to take script and execute permission from the virtual directory.",
    },
    Entry {
        key: code(0x8020_0022),
        title: "the server speaks another BITS upload protocol",
        cause: "The server chose a protocol id that was not offered.",
        advice: "Check that the URL leads to a BITS server; a proxy may have changed the answer.",
    },
    Entry {
        key: Key {
            status: Some(200),
            code: Some(0x8020_001B),
            packet: Some(PacketType::Fragment),
            ..ANY
        },
        title: "not a valid BITS response to a Fragment",
        cause: "The server names no offset (BITS-Received-Content-Range) or an impossible one, or something else answered in its place.",
        advice: "If this server never names the offset and stores what it acknowledges, use {lenient}; else check the URL and every proxy on the path.",
    },
    Entry {
        key: code(0x8020_001B),
        title: "not a valid BITS response",
        cause: "A plain web server, a captive portal, a proxy or a web application firewall answered in place of a BITS server.",
        advice: "Check the URL, and that uploads are enabled for that directory; {doctor} shows what answers.",
    },
    Entry {
        key: code(0x8020_0024),
        title: "the acknowledged offset does not advance",
        cause: "The server repeatedly acknowledges the same offset.",
        advice: "Restart the upload ({fresh}). If the error persists, the server's session store is broken.",
    },
    Entry {
        key: code(0x8020_001D),
        title: "the file changed while it was uploaded",
        cause: "Size, time stamp or identity of the source are no longer what they were.",
        advice: "Upload a copy or a snapshot of the file; versions of the file were not mixed.",
    },
    Entry {
        key: Key {
            status: Some(403),
            code: Some(0x8007_0005),
            packet: Some(PacketType::CreateSession),
            ..ANY
        },
        title: "the server refuses the upload",
        cause: "Most likely a file of that name exists and the directory's BITSAllowOverwrites is 0; else the account may not write there (NTFS right Change).",
        advice: "Choose another name, or have BITSAllowOverwrites set to 1; else check the account's rights on the directory.",
    },
    Entry {
        key: Key { status: Some(501), code: Some(0x8007_0005), ..ANY },
        title: "BITS uploads are not enabled for this directory",
        cause: "The virtual directory's BITSUploadEnabled is off, or was switched off.",
        advice: "Ask the administrator to enable BITS uploads for the directory.",
    },
    Entry {
        key: code(0x8007_0005),
        title: "the server denies access",
        cause: "Most likely a file of that name exists and may not be overwritten (BITSAllowOverwrites is 0); else the account may not write there.",
        advice: "Choose another name, or have BITSAllowOverwrites set to 1; else check the account's rights on the directory.",
    },
    Entry {
        key: code(0x8007_0057),
        title: "the server rejects the request as malformed",
        cause: "The destination is a directory, a header was changed on the way, or the file's size differs from that of the session.",
        advice: "Check that the URL ends in a file name; if it does, restart the upload ({fresh}).",
    },
    Entry {
        key: Key {
            status: Some(404),
            packet: Some(PacketType::Fragment),
            bits: Some(false),
            ..ANY
        },
        title: "the server does not find the destination for this part",
        cause: "IIS answers a request above its size limit (maxAllowedContentLength, 30,000,000 bytes) with 404, and also a directory where BITS uploads are not enabled.",
        advice: "Set a smaller {max_fragment} because of the request size limit; else BITS uploads are not enabled for this directory.",
    },
    Entry {
        key: Key { status: Some(404), packet: Some(PacketType::CloseSession), ..ANY },
        title: "the uploaded data has disappeared on the server",
        cause: "A clean-up or a virus scanner removed the file from the server's BITS-Sessions folder.",
        advice: "Start the upload again; if the error persists, ask the administrator what removes the file.",
    },
    Entry {
        key: Key { status: Some(404), bits: Some(false), ..ANY },
        title: "the server does not find the destination",
        cause: "The path is wrong, its folder does not exist, nothing behind it takes uploads, or (IIS 7 and later) BITS uploads are not enabled for the virtual directory.",
        advice: "Check the URL's path, and that its folder exists. If both are right, BITS uploads are not enabled there: IIS enables them on the virtual directory; another server must pass the path to what takes uploads.",
    },
    Entry {
        key: status(404),
        title: "the server does not find the destination",
        cause: "The folder in the URL's path does not exist on the server.",
        advice: "Check the URL's path, and have the folder created.",
    },
    Entry {
        key: Key { status: Some(501), bits: Some(false), ..ANY },
        title: "the server does not know BITS_POST",
        cause: "The server is no BITS server, BITS uploads are not enabled (IIS 6), or a proxy blocks the verb.",
        advice: "Check the URL; BITS uploads are not enabled there, or a proxy or firewall must allow the verb BITS_POST. {post_override} sends POST instead, to a server that takes that.",
    },
    Entry {
        key: Key { status: Some(405), bits: Some(false), ..ANY },
        title: "the server does not allow BITS_POST",
        cause: "The server is no BITS server, or its request filtering (IIS: verbs, UrlScan) or a proxy blocks the verb.",
        advice: "Check the URL; the server, and every proxy before it, must allow the verb BITS_POST. {post_override} sends POST instead, to a server that takes that.",
    },
    Entry {
        key: Key { status: Some(403), bits: Some(false), ..ANY },
        title: "access is forbidden",
        cause: "The account may not write there, a file of that name may not be replaced, or a web application firewall or proxy blocks the verb BITS_POST.",
        advice: "Check the account's rights, and whether the file exists already. If neither is the cause, have proxies and firewalls allow the verb BITS_POST, or send POST instead to a server that takes that ({post_override}).",
    },
    Entry {
        key: status(403),
        title: "the server refuses the upload",
        cause: "A file of that name exists and may not be overwritten, or the account has no right on the directory.",
        advice: "Choose another name, or have BITSAllowOverwrites set to 1; else check the account's rights on the directory.",
    },
    Entry {
        key: Key { status: Some(409), bits: Some(false), ..ANY },
        title: "the server reports a conflict: most likely a file of that name exists",
        cause: "A file of that name may not be replaced, its folder does not exist, or another upload to the same name is under way.",
        advice: "Choose another name, have the folder created, or allow the server to replace files (IIS: BITSAllowOverwrites).",
    },
    Entry {
        key: status(409),
        title: "a file of that name exists and may not be overwritten",
        cause: "The directory's BITSAllowOverwrites is 0.",
        advice: "Choose another name, or have BITSAllowOverwrites set to 1.",
    },
    Entry {
        key: Key { status: Some(400), bits: Some(false), ..ANY },
        title: "the server rejects the request as malformed",
        cause: "The URL or a header is wrong for this server, or a proxy or firewall on the way does not know the verb BITS_POST or changed a header.",
        advice: "Check the URL, its query and the headers of your own. If they are right, try from inside the server's network: proxies and firewalls must let BITS_POST and its headers through, or take POST instead ({post_override}).",
    },
    Entry {
        key: status(400),
        title: "the server rejects the request as malformed",
        cause: "The destination is a directory, or a header was changed on the way.",
        advice: "Check that the URL ends in a file name; the server's log tells more.",
    },
    Entry {
        key: status(401),
        title: "the server requires credentials",
        cause: "None were given, or those given were refused.",
        advice: "Give a user and a password ({user}), and check them; a refused password is not sent again, to avoid an account lockout.",
    },
    Entry {
        key: status(407),
        title: "the proxy requires credentials",
        cause: "None were given for the proxy, or those given were refused.",
        advice: "Give a user and a password for the proxy ({proxy_user}), and check them.",
    },
    Entry {
        key: status(408),
        title: "the server did not get the request in time",
        cause: "The connection is slower than the server's time-out allows.",
        advice: "Try again; if the error persists, set a smaller {max_fragment}.",
    },
    Entry {
        key: status(411),
        title: "the server requires Content-Length and did not receive it",
        cause: "A proxy on the way removed Content-Length, or the application behind the server gave a malformed answer.",
        advice: "Try without the proxy, or ask the administrator to look at the server's log.",
    },
    Entry {
        key: Key { status: Some(413), packet: Some(PacketType::Fragment), ..ANY },
        title: "the server refuses even the smallest part as too large",
        cause: "A server or proxy limits the request's size below 5 KB (nginx: client_max_body_size).",
        advice: "Have the limit on the request's size raised.",
    },
    Entry {
        key: Key { status: Some(413), bits: Some(false), ..ANY },
        title: "the file or the request is too large for the server",
        cause: "The server limits the size of files, or a server or proxy limits that of requests and their headers (nginx: client_max_body_size, large_client_header_buffers; IIS: maxAllowedContentLength).",
        advice: "Have the limit on files or requests raised, or upload a smaller file; Fragments are made smaller by themselves.",
    },
    Entry {
        key: status(413),
        title: "the file is too large for the server",
        cause: "The server limits the size of files (IIS: BITSMaximumUploadSize) or of requests (maxAllowedContentLength).",
        advice: "Have the limit raised; Fragments are made smaller by themselves.",
    },
    Entry {
        key: status(414),
        title: "the URL is too long for the server",
        cause: "Windows servers take 2,200 characters.",
        advice: "Use a shorter URL.",
    },
    Entry {
        key: status(416),
        title: "the server expects another offset",
        cause: "The request's offset is not the one that the server expects.",
        advice: "Restart the upload ({fresh}).",
    },
    Entry {
        key: status(429),
        title: "the server asks for fewer requests",
        cause: "A limit on requests per client was reached.",
        advice: "Try later, with fewer uploads at once.",
    },
    Entry {
        key: Key { status: Some(500), context: Some(7), ..ANY },
        title: "the application behind the server failed",
        cause: "The data is on the server; the application that is told of it reported an error.",
        advice: "Starting the same upload again sends the last part again; if the error persists, ask the administrator to check that application.",
    },
    Entry {
        key: status(500),
        title: "the server failed",
        cause: "An internal error of the server.",
        advice: "Try again later; the server's log tells more.",
    },
    Entry {
        key: status(502),
        title: "a gateway received an invalid response from the server",
        cause: "The server behind the proxy or load balancer is down, or closed the connection.",
        advice: "Try again later.",
    },
    Entry {
        key: status(503),
        title: "the server is not available now",
        cause: "It is overloaded, in maintenance, or its application pool is stopped.",
        advice: "Try again later.",
    },
    Entry {
        key: status(504),
        title: "a gateway timed out waiting for the server",
        cause: "The server behind the proxy takes longer than the proxy's time-out.",
        advice: "Try again later; have the proxy's time-out raised above 5 minutes for this path.",
    },
    Entry {
        key: status(505),
        title: "the server does not speak HTTP/1.1",
        cause: "BITS needs HTTP/1.1 from the client to the server.",
        advice: "Check the URL and the proxy.",
    },
    Entry {
        key: status(301),
        title: "the server answers with a redirect, which uploads do not follow",
        cause: "A redirect, often from http to https or to a login page.",
        advice: "Use the URL that the redirect names.",
    },
    Entry {
        key: status(302),
        title: "the server answers with a redirect, which uploads do not follow",
        cause: "A redirect, often from http to https or to a login page.",
        advice: "Use the URL that the redirect names.",
    },
    Entry {
        key: status(307),
        title: "the server answers with a redirect, which uploads do not follow",
        cause: "A redirect, often from http to https.",
        advice: "Use the URL that the redirect names.",
    },
    Entry {
        key: status(308),
        title: "the server answers with a redirect, which uploads do not follow",
        cause: "A redirect, often from http to https.",
        advice: "Use the URL that the redirect names.",
    },
];

/// The next step where no answer of a server says more.
pub(super) fn advice_for_kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidArgument => "Correct the argument and call again.",
        ErrorKind::LocalFile => "Check the path and its permissions.",
        ErrorKind::SourceChanged => {
            "Upload a copy or a snapshot of the file; versions of the file were not mixed."
        }
        ErrorKind::SessionInUse => "Wait for the other upload, or cancel it.",
        ErrorKind::Auth => {
            "Check user and password; a refused password is not sent again, to avoid an account lockout."
        }
        ErrorKind::ProxyAuth => "Check user and password for the proxy.",
        ErrorKind::Tls => "Check the certificate, its name, its dates and its issuer.",
        ErrorKind::Network => {
            "Check host name, port and network; {same_upload} continues from the server's last acknowledged byte, if it has any."
        }
        ErrorKind::Timeout => {
            "Try again later; {same_upload} continues from the server's last acknowledged byte, if it has any."
        }
        ErrorKind::Refused => "The server's log tells more.",
        ErrorKind::HostIdUntrusted => "If the host is right, trust it ({trusted_hosts}).",
        ErrorKind::Protocol => {
            "Check the URL, and that uploads are enabled for that directory; a proxy may have changed the answer."
        }
        ErrorKind::VerifyFailed => "Compare the file on the server before using it.",
        ErrorKind::LimitReached => "Raise the limit, or start {same_upload} again to continue.",
        ErrorKind::Cancelled => "Start the upload again if it is still wanted.",
        ErrorKind::Unsupported => "{features} says what this build has.",
        ErrorKind::Internal => "Please report this with a log of its packets ({log}).",
    }
}
