//! A port of its own for the operators' pages.

use crate::given::Given;

#[test]
fn the_admin_port_is_not_the_main_one() {
    let taken = |main, admin| Given::flags(&[main, admin]).problem();
    assert_eq!(
        taken("server.listen=127.0.0.1:80", "admin.listen=127.0.0.1:80"),
        "admin.listen: 127.0.0.1:80 is taken by server.listen, 127.0.0.1:80; give it another port, or \"\" \
         to have everything on the main port",
    );
    // Who listens everywhere listens there, too.
    for (main, admin) in [
        ("server.listen=0.0.0.0:80", "admin.listen=127.0.0.1:80"),
        ("server.listen=127.0.0.1:80", "admin.listen=[::]:80"),
    ] {
        assert!(taken(main, admin).contains("is taken by server.listen"));
    }
    for (main, admin) in [
        ("server.listen=127.0.0.1:0", "admin.listen=127.0.0.1:0"),
        ("server.listen=127.0.0.1:80", "admin.listen=127.0.0.2:80"),
        ("server.listen=127.0.0.1:80", "admin.listen="),
    ] {
        Given::flags(&[main, admin]).settings();
    }
    assert_eq!(
        Given::flags(&["admin.listen=9100"]).problem(),
        "admin.listen (flag --set): \"9100\" is not an IP address with a port such as \"127.0.0.1:8080\" or \
         \"[::]:8080\"",
    );
}
