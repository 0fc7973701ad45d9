//! A link as a QR code in the terminal, for the phone that lies beside it.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use crate::error::{Exit, Failure};
use crate::screen;

/// Shows it on standard error, where progress and messages go.
pub(super) fn show(link: &str) -> Result<(), Failure> {
    screen::drawing(draw(link)?);
    Ok(())
}

/// Draws it, two rows of modules a line of text, with its quiet zone.
///
/// Inverted: most terminals are dark, and a reader needs the quiet zone lighter than the code.
fn draw(link: &str) -> Result<String, Failure> {
    let code = QrCode::with_error_correction_level(link, EcLevel::L).map_err(|_| {
        Failure::new(Exit::Other, "the link is too long for a QR code", "The transfer is complete; its link is above.")
    })?;
    Ok(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_fits_a_small_terminal() {
        let link = format!("https://send.example.org/#{}/{}", "0".repeat(32), "A".repeat(43));
        let drawn = draw(&link).unwrap();
        assert!(drawn.lines().count() <= 24, "{}", drawn.lines().count());
        assert!(drawn.lines().all(|line| line.chars().count() <= 80));
        assert!(draw(&"x".repeat(4_000)).is_err());
    }
}
