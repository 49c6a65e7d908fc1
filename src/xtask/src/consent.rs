//! Whether something may be installed on this machine.

use std::env;
use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::Result;
use crate::requirements::Requirement;

/// Who answers the question whether to install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// It was given beforehand.
    Given,
    /// The person at the terminal is asked.
    Ask,
    /// There is nobody to ask.
    Refused,
}

/// What consent depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// `--install` was given.
    pub(crate) install_option: bool,
    /// `CI` is set.
    pub(crate) continuous_integration: bool,
    /// This is root in a container, which is somebody's to throw away.
    pub(crate) root_in_container: bool,
    /// There is a person to ask.
    pub(crate) terminal: bool,
}

impl Circumstances {
    /// Looks at this process.
    pub(crate) fn here(install_option: bool) -> Self {
        Self {
            install_option,
            continuous_integration: env::var_os("CI").is_some_and(|value| !value.is_empty()),
            root_in_container: is_root() && in_container(),
            terminal: io::stdin().is_terminal() && io::stderr().is_terminal(),
        }
    }

    /// Who answers.
    pub(crate) fn consent(self) -> Consent {
        if self.install_option || self.continuous_integration || self.root_in_container {
            Consent::Given
        } else if self.terminal {
            Consent::Ask
        } else {
            Consent::Refused
        }
    }
}

/// Names what is missing and what it is for, and picks what may be installed. `purposes` tells the latter.
pub(crate) fn choose(
    missing: &[&'static Requirement],
    consent: Consent,
    purposes: &dyn Fn(&Requirement) -> String,
    answers: &mut dyn BufRead,
) -> Result<Vec<&'static Requirement>> {
    let mut chosen = Vec::new();
    let mut all = consent == Consent::Given;
    for requirement in missing {
        let what = requirement.describe();
        eprintln!("missing: {what}, for {}", purposes(requirement));
        if consent == Consent::Refused {
            eprintln!("  not installed: there is no terminal to ask at; --install says yes");
        } else if all {
            chosen.push(*requirement);
        } else {
            eprint!("  install? [y]es, [a]ll, [N]o: ");
            io::stderr().flush()?;
            let mut answer = String::new();
            answers.read_line(&mut answer)?;
            match answer.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => chosen.push(*requirement),
                "a" | "all" => {
                    all = true;
                    chosen.push(*requirement);
                }
                _ => {}
            }
        }
    }
    Ok(chosen)
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

fn in_container() -> bool {
    let marked = ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"]
        .iter()
        .any(|path| Path::new(path).exists());
    let grouped = fs::read_to_string("/proc/1/cgroup").is_ok_and(|groups| {
        ["docker", "containerd", "kubepods", "lxc"].iter().any(|name| groups.contains(name))
    });
    marked || grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirements::{CURL_PROGRAM, LIBCURL_HEADERS};

    const NOBODY: Circumstances = Circumstances {
        install_option: false,
        continuous_integration: false,
        root_in_container: false,
        terminal: false,
    };

    #[test]
    fn consent_is_given_by_option_by_ci_and_by_a_container() {
        assert_eq!(NOBODY.consent(), Consent::Refused);
        let terminal = Circumstances { terminal: true, ..NOBODY };
        assert_eq!(terminal.consent(), Consent::Ask);
        for given in [
            Circumstances { install_option: true, ..NOBODY },
            Circumstances { continuous_integration: true, ..terminal },
            Circumstances { root_in_container: true, ..terminal },
        ] {
            assert_eq!(given.consent(), Consent::Given, "{given:?}");
        }
    }

    fn names_chosen(consent: Consent, answers: &str) -> Vec<&'static str> {
        let missing: [&'static Requirement; 2] = [&LIBCURL_HEADERS, &CURL_PROGRAM];
        choose(&missing, consent, &|_| "tests".to_owned(), &mut answers.as_bytes())
            .expect("reading from memory works")
            .iter()
            .map(|requirement| requirement.name)
            .collect()
    }

    #[test]
    fn each_answer_counts_for_its_requirement() {
        assert_eq!(names_chosen(Consent::Ask, "n\nyes\n"), ["curl"]);
        assert_eq!(names_chosen(Consent::Ask, "a\n"), ["libcurl-headers", "curl"]);
        assert!(names_chosen(Consent::Ask, "\n").is_empty());
        assert!(names_chosen(Consent::Ask, "").is_empty());
    }

    #[test]
    fn nothing_is_asked_when_the_answer_is_known() {
        assert_eq!(names_chosen(Consent::Given, "n\nn\n"), ["libcurl-headers", "curl"]);
        assert!(names_chosen(Consent::Refused, "y\ny\n").is_empty());
    }
}
