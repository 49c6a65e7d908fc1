//! Secrets on their way to libcurl.

use std::ptr;

use curl::Error;
use curl::easy::{Easy2, List};
use zeroize::Zeroizing;

/// A text that libcurl keeps a copy of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Text {
    /// The name to log in with.
    User,
    /// The password.
    Password,
    /// The proxy's URL, which may have a login in it.
    Proxy,
    /// The name to log in with at the proxy.
    ProxyUser,
    /// The password for the proxy.
    ProxyPassword,
    /// The passphrase of a private key.
    KeyPassword,
    /// The `Cookie` line.
    Cookie,
    /// One for the cookies that are kept.
    KeptCookie,
}

impl Text {
    fn option(self) -> curl_sys::CURLoption {
        match self {
            Self::User => curl_sys::CURLOPT_USERNAME,
            Self::Password => curl_sys::CURLOPT_PASSWORD,
            Self::Proxy => curl_sys::CURLOPT_PROXY,
            Self::ProxyUser => curl_sys::CURLOPT_PROXYUSERNAME,
            Self::ProxyPassword => curl_sys::CURLOPT_PROXYPASSWORD,
            Self::KeyPassword => curl_sys::CURLOPT_KEYPASSWD,
            Self::Cookie => curl_sys::CURLOPT_COOKIE,
            Self::KeptCookie => curl_sys::CURLOPT_COOKIELIST,
        }
    }
}

/// Sets a text, as the handle's own functions do.
pub fn set<H>(easy: &mut Easy2<H>, text: Text, value: &str) -> Result<(), Error> {
    check(value)?;
    let mut ended = Zeroizing::new(Vec::with_capacity(value.len() + 1));
    ended.extend_from_slice(value.as_bytes());
    ended.push(0);
    // SAFETY: the handle is alive; each of the options takes a text that ends with a zero, and copies it
    // (`curl_easy_setopt(3)`).
    let code = unsafe { curl_sys::curl_easy_setopt(easy.raw(), text.option(), ended.as_ptr()) };
    if code == curl_sys::CURLE_OK { Ok(()) } else { Err(Error::new(code)) }
}

/// Appends a line, as the list's own function does.
pub fn append(list: &mut List, line: &str) -> Result<(), Error> {
    check(line)?;
    // libcurl copies what holds the place; then the line comes into its copy.
    list.append(&"-".repeat(line.len()))?;
    let place = list.iter().last().filter(|place| place.len() == line.len());
    let at = place.ok_or_else(|| Error::new(curl_sys::CURLE_OUT_OF_MEMORY))?.as_ptr();
    let at = ptr::with_exposed_provenance_mut::<u8>(at.expose_provenance());
    // SAFETY: the memory came from C's `malloc` and is the list's, which is borrowed for writing; `line.len()`
    // bytes of it are the text of that entry, and the line brings no zero that would end it sooner.
    unsafe { ptr::copy_nonoverlapping(line.as_ptr(), at, line.len()) };
    Ok(())
}

/// A zero would end a text in C. It is the curl crate's error for that.
fn check(text: &str) -> Result<(), Error> {
    if text.contains('\0') { Err(Error::new(curl_sys::CURLE_CONV_FAILED)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use curl::easy::Handler;

    use super::*;

    struct Nothing;
    impl Handler for Nothing {}

    #[test]
    fn a_list_has_the_lines_that_were_appended() {
        let mut list = List::new();
        let lines = ["Expect:", "", "X-Key: secret", "Ä: ö"];
        for line in lines {
            append(&mut list, line).expect("appended");
        }
        assert_eq!(list.iter().collect::<Vec<_>>(), lines.map(str::as_bytes));
        assert!(append(&mut list, "a\0b").is_err());
        assert_eq!(list.iter().count(), lines.len());
    }

    #[test]
    fn libcurl_takes_the_texts() {
        let mut easy = Easy2::new(Nothing);
        set(&mut easy, Text::KeptCookie, "Set-Cookie: a=b; Domain=x.example").expect("kept");
        let kept = easy.cookies().expect("cookies");
        let kept = kept.iter().next().expect("one");
        assert!(kept.ends_with(b"\ta\tb"), "{}", String::from_utf8_lossy(kept));
        for text in [
            Text::User,
            Text::Password,
            Text::Proxy,
            Text::ProxyUser,
            Text::ProxyPassword,
            Text::KeyPassword,
            Text::Cookie,
        ] {
            set(&mut easy, text, "x").expect("set");
            assert!(set(&mut easy, text, "a\0b").is_err());
        }
    }
}
