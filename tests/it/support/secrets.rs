// Included by the tests of `src/source` too, so that it has no inner attributes and no imports.

/// What a text holds, and the part of it that must not come through. Put together here, so that no scanner takes this file for a leak.
pub fn secrets() -> Vec<(String, String)> {
    let hex = "9f86d081884c7d659a2feaa0c55ad015";
    let word = "q8Zt3LwX0vR5nK2yB7cF4hJ9mD6sG1aP";
    let long = format!("{word}{word}");
    let form = |form: &str, secret: &str| (form.replace("{}", secret), secret.to_owned());
    let mut all = Vec::new();
    // Tokens by their form.
    for (start, rest) in [
        ("AK|IA", "IOSFODNN7EXAMPLE"),
        ("AS|IA", "IOSFODNN7EXAMPLE"),
        ("gh|p_", word),
        ("gh|o_", word),
        ("gh|s_", word),
        ("gh|u_", word),
        ("github|_pat_", &long),
        ("gl|pat-", word),
        ("gl|rt-", word),
        ("xo|xb-", "1234-5678-abcdefgh"),
        ("xo|xp-", "1234-5678-abcdefgh"),
        ("xa|pp-", "1-A01-abcdefgh"),
        ("sk|_live_", word),
        ("rk|_live_", word),
        ("sk|_test_", word),
        ("wh|sec_", word),
        ("s|k-", word),
        ("sk|-proj-", word),
        ("sk|-ant-api03-", word),
        ("AI|za", &long),
        ("ya|29.", word),
        ("GO|CSPX-", word),
        ("np|m_", &long),
        ("py|pi-", &long),
        ("h|f_", word),
        ("dop|_v1_", hex),
        ("shp|at_", hex),
        ("S|G.", &format!("{word}.{word}")),
        ("A|C", hex),
        ("S|K", hex),
        ("sntry|s_", &long),
        ("sntry|u_", hex),
        ("M", &format!("{word}.abcdef.{word}")),
        ("123456789:|AA", word),
        ("hv|s.", word),
        ("da|pi", hex),
        ("lin|_api_", word),
        ("ntn|_", word),
        ("fig|d_", word),
        ("dckr|_pat_", word),
        ("sb|p_", hex),
        ("sq0|atp-", word),
        ("NR|AK-", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0"),
        ("HR|KU-", word),
        ("key|-", hex),
        ("AGE-SECRET|-KEY-1", "QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    ] {
        let token = format!("{}{rest}", start.replace('|', ""));
        all.push(form("token {} refused", &token));
    }
    // By what stands before them.
    let password = "hunter2hunter2";
    for text in [
        "login password={}",
        "{\"password\": \"{}\"}",
        "passwd: {}",
        "PGPASSWORD={}",
        "secret_key={}",
        "client_secret: '{}'",
        "api_key={}",
        "apikey: {}",
        "X-Api-Key: {}",
        "Authorization: Token {}",
        "Authorization: Basic {}",
        "Proxy-Authorization: Digest {}",
        "Cookie: id={}",
        "Set-Cookie: sid={}; Path=/",
        "GET /cb?access_token={}&x=1",
        "refresh_token={}",
        "auth_token: {}",
        "private_key={}",
        "credentials={}",
        "JSESSIONID={}",
        "PHPSESSID={}",
        "sessionid={}",
        "csrf_token={}",
        "xsrf-token: {}",
        "token={}",
        "AccountKey={}",
        "sig={}",
        "postgres://app:{}@db/shop",
        "mysql://root:{}@10.0.0.1/x",
        "redis://:{}@cache:6379",
        "mongodb+srv://u:{}@c.example/x",
        "amqp://u:{}@mq",
        "https://u:{}@example.org/x",
        "https://{}@errors.example/4",
        "passphrase: {}",
        "encryption_key={}",
        "body password%3D{}",
    ] {
        all.push(form(text, password));
    }
    all.push(form(
        "aws_secret_access_key {}",
        &format!("wJalrXUtnFEMI/K7MDENG/{}", "bPxRfiCYEXAMPLEKEY"),
    ));
    all.push(form("got Bearer {}", "abcd1234efgh5678"));
    all.push(form("hash {}", hex));
    let jwt = format!(
        "{}.{}.{}",
        "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxIn0", "abc-def_123"
    );
    all.push(form("jwt {}", &jwt));
    for kind in ["RSA PRIVATE", "OPENSSH PRIVATE", "EC PRIVATE", "PRIVATE"] {
        all.push((
            format!("-----BEGIN {kind} KEY-----\nMIIEhunter2\n-----END {kind} KEY-----"),
            "MIIEhunter2".to_owned(),
        ));
    }
    all.push((
        format!("-----BEGIN PGP {} BLOCK-----\nMIIEhunter2", "PRIVATE KEY"),
        "MIIEhunter2".to_owned(),
    ));
    all.push(form(
        "https://hooks.slack.com/services/{}",
        "T000/B000/XXXX",
    ));
    all.push(form("https://discord.com/api/webhooks/{}", "123/abc"));
    // People.
    for (text, secret) in [
        ("no user {}", "Ada.L+x@mail.example.org"),
        ("card {} declined", "4111 1111 1111 1111"),
        ("card {}", "5500005555555559"),
        ("card {}", "378282246310005"),
        ("iban {}", "DE89 3704 0044 0532 0130 00"),
        ("from {}", "203.0.113.9"),
        ("from {}", "2001:db8:85a3::8a2e:370:7334"),
        ("nic {}", "00:1b:44:11:3a:b7"),
        ("call {}", "+49 30 1234 5678"),
        ("ssn {}", "078-05-1120"),
        ("cvv: {}", "737"),
        ("open /home/{}/x.csv", "adalovelace"),
        ("open /Users/{}/x.csv", "adalovelace"),
        (r"open C:\Users\{}\x.csv", "adalovelace"),
    ] {
        all.push(form(text, secret));
    }
    all
}
