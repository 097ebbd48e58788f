//! The web files inside of the binary (feature `site`) have names that change with their content: whatever changes in their
//! folder, the binary is built again.

fn main() {
    println!("cargo::rerun-if-env-changed=TANDEM_EMBED_SITE");
    match std::env::var("TANDEM_EMBED_SITE") {
        Ok(folder) if std::env::var_os("CARGO_FEATURE_SITE").is_some() => {
            println!("cargo::rerun-if-changed={folder}");
        }
        _ => println!("cargo::rerun-if-changed=build.rs"),
    }
}
