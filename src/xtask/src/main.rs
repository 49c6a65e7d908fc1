//! Developer commands: `cargo xtask --help` is the one list of them, and CI calls the same ones.
#![forbid(unsafe_code)]

mod bench;
mod check;
mod conformance;
mod docs;
mod examples;
mod fuzz;
mod library;
mod lint;
mod localize;
mod long;
mod mutants;
mod python;
mod requirements;
mod runner;
mod sbom;
mod steps;
mod stress;
mod summary;
mod supply_chain;
mod tally;
mod test;
mod wheel;
mod words;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// What a command comes to: the error is one line for people.
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The columns of a line, when there are exactly as many.
fn columns<const COUNT: usize>(line: &str, separator: char) -> Option<[&str; COUNT]> {
    line.split(separator).collect::<Vec<_>>().try_into().ok()
}

/// Developer commands of bitsup.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    /// Install what is missing without asking (as with CI set, and as root in a container)
    #[arg(long, global = true)]
    install: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check formatting, lints and unit tests of what has changed: a minute
    Check(check::Options),
    /// Run every test that can run here; offer to install what is missing
    Test(test::Options),
    /// Check formatting, clippy's warnings and the rules no compiler knows
    Lint,
    /// Check the documents, and build them as a site in target/site
    Docs,
    /// Compare the table of protocol rules with the tests that cover them
    Conformance(conformance::Options),
    /// Build the C library and install it with its headers, files for pkg-config and cmake
    Install(library::Options),
    /// Make a `libbitsup.a` show `bitsup_*` only, and link the shared library of the same object
    Localize(localize::Options),
    /// Run the examples in other languages against the server
    Examples(examples::Options),
    /// Compare bitsup with other programs in one run: time, CPU and memory as ratios
    Bench(bench::Options),
    /// Count the instructions of small uploads, and compare them with what is written down
    Instructions(bench::instructions::Options),
    /// Build the Python wheel with libcurl and OpenSSL inside in target/wheels, and check what it links
    Wheel,
    /// List what the tool, the C library or the wheel is made of (`CycloneDX`), or the licences of that
    Sbom(sbom::Options),
    /// Check that the bundled C libraries are supported by their makers, and ask for newer ones
    SupplyChain(supply_chain::Options),
    /// Play whole uploads in virtual time, with servers, networks and crashes that a seed decides
    Simulate(long::Simulate),
    /// Feed what reads a stranger's bytes with inputs that libFuzzer makes up
    Fuzz(fuzz::Options),
    /// Break the code behind a sample of rules, and see whether their tests turn red
    Mutants(mutants::Options),
    /// Send many uploads through a proxy that cuts connections at random positions
    Soak(long::Chaos),
    /// Kill many uploads and continue them; count what is left on the server
    Kills(long::Chaos),
    /// Upload to many random servers and judge every ending: the long form of a test
    Servers(long::Chaos),
    /// Run tests with sockets, threads and timers again and again with every core busy
    Stress(stress::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let found = Workspace::find();
    let found = found.map(|found| Workspace { installs: arguments.install, ..found });
    let outcome = found.and_then(|workspace| match arguments.command {
        Command::Check(options) => check::run_checks(&workspace, &options),
        Command::Test(options) => test::run(&workspace, &options),
        Command::Lint => lint::run(&workspace),
        Command::Docs => docs::run(&workspace),
        Command::Conformance(options) => conformance::compare(&workspace, options.write),
        Command::Install(options) => library::run(&workspace, &options),
        Command::Localize(options) => localize::run(&workspace, &options),
        Command::Examples(options) => examples::run(&workspace, &options),
        Command::Bench(options) => bench::run(&workspace, &options),
        Command::Instructions(options) => bench::instructions::run(&workspace, &options),
        Command::Wheel => wheel::run(&workspace),
        Command::Sbom(options) => sbom::run(&workspace, &options),
        Command::SupplyChain(options) => supply_chain::run(&workspace, &options),
        Command::Simulate(options) => long::simulate(&workspace, &options),
        Command::Fuzz(options) => fuzz::run(&workspace, &options),
        Command::Mutants(options) => mutants::run(&workspace, &options),
        Command::Soak(options) => long::soak(&workspace, &options),
        Command::Kills(options) => long::kills(&workspace, &options),
        Command::Servers(options) => long::servers(&workspace, &options),
        Command::Stress(options) => stress::run(&workspace, &options),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
