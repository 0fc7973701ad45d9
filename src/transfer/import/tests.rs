//! Which names are those of transfers.

use super::*;

#[test]
fn both_layouts_are_found_and_nothing_else() {
    for (name, folder) in [
        ("transfers/a1b2c3d4e5f6/meta.json", Some("transfers/a1b2c3d4e5f6/")),
        ("/data/transfers/a1b2c3d4e5f6/meta.json", Some("/data/transfers/a1b2c3d4e5f6/")),
        (
            "sg-send__data/sg-send-api__v1.0/shared/transfers/a1/a1b2c3d4e5f6/meta.json",
            Some("sg-send__data/sg-send-api__v1.0/shared/transfers/a1/a1b2c3d4e5f6/"),
        ),
        ("transfers/b1/a1b2c3d4e5f6/meta.json", None),
        ("transfers/a1b2c3d4e5f6/payload", None),
        ("transfers/a1b2c3d4e5f6/meta.json.bak", None),
        ("transfers/a1b2c3d4e5f6meta.json", None),
        ("transfers/A1B2C3D4E5F6/meta.json", None),
        ("transfers/00112233445566778899aabbccddeeff/meta.json", None),
        ("sg-send__data/x/vault/a1/a1b2c3d4e5f6/meta.json", None),
        ("nottransfers/a1b2c3d4e5f6/meta.json", None),
        ("meta.json", None),
    ] {
        assert_eq!(transfer_folder(name).map(|(folder, _)| folder), folder, "{name}");
    }
}
