//! An ID token: a JSON Web Token that the provider has signed.
//!
//! Source: section 3.1.3.7 of OpenID Connect Core, RFC 7515 (signatures) and RFC 7518 (algorithms).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use stepwright_json::{Json, parse_bytes};

/// By how much the provider's clock may differ from ours, in seconds.
const LEEWAY: i64 = 60;

/// What is wrong with a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    #[error("it is no JSON Web Token")]
    Form,
    #[error("it is signed by `{0}`, which is not supported")]
    Algorithm(String),
    #[error("the provider has no key of its name")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("its `{0}` is missing or is not what it must be")]
    Claim(&'static str),
    #[error("it has expired, or the clocks differ by more than a minute")]
    Expired,
}

/// The claims of a token that one of the provider's keys has signed.
pub(crate) fn signed(token: &str, keys: &[Json]) -> Result<Json, Wrong> {
    let (message, signature) = token.rsplit_once('.').ok_or(Wrong::Form)?;
    let (header, claims) = message.split_once('.').ok_or(Wrong::Form)?;
    let header = read(header)?;
    let algorithm = header.get("alg").and_then(Json::as_str).ok_or(Wrong::Form)?;
    // A token that asks for extensions must not be taken by whoever does not know them.
    if header.get("crit").is_some() {
        return Err(Wrong::Form);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Wrong::Form)?;
    let algorithm =
        Algorithm::of(algorithm).ok_or_else(|| Wrong::Algorithm(algorithm.to_owned()))?;
    let named = header.get("kid");
    let suits = |key: &&Json| {
        let text = |member: &str| key.get(member).and_then(Json::as_str);
        text("kty") == Some(algorithm.kind())
            && text("use").is_none_or(|purpose| purpose == "sig")
            && (named.is_none() || key.get("kid") == named)
    };
    let mut suiting = keys.iter().filter(suits).peekable();
    if suiting.peek().is_none() {
        return Err(Wrong::UnknownKey);
    }
    if !suiting.any(|key| algorithm.verifies(key, message.as_bytes(), &signature)) {
        return Err(Wrong::Signature);
    }
    read(claims)
}

fn read(part: &str) -> Result<Json, Wrong> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Wrong::Form)?;
    let value = parse_bytes(&bytes).map_err(|_| Wrong::Form)?;
    value.as_object().is_some().then_some(value).ok_or(Wrong::Form)
}

/// The algorithms with public keys that providers use. Those with a shared secret, and `none`, are not
/// among them: who knows the secret, or nothing, could sign.
#[derive(Clone, Copy)]
enum Algorithm {
    Rsa(&'static RsaParameters),
    P256,
    P384,
    Ed25519,
}

impl Algorithm {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rsa(&RSA_PKCS1_2048_8192_SHA256),
            "RS384" => Self::Rsa(&RSA_PKCS1_2048_8192_SHA384),
            "RS512" => Self::Rsa(&RSA_PKCS1_2048_8192_SHA512),
            "PS256" => Self::Rsa(&RSA_PSS_2048_8192_SHA256),
            "ES256" => Self::P256,
            "ES384" => Self::P384,
            "EdDSA" => Self::Ed25519,
            _ => return None,
        })
    }

    /// The kind of its keys.
    fn kind(self) -> &'static str {
        match self {
            Self::Rsa(_) => "RSA",
            Self::P256 | Self::P384 => "EC",
            Self::Ed25519 => "OKP",
        }
    }

    fn verifies(self, key: &Json, message: &[u8], signature: &[u8]) -> bool {
        let text = |member: &str| key.get(member).and_then(Json::as_str);
        let bytes = |member: &str| URL_SAFE_NO_PAD.decode(text(member)?).ok();
        let point = |curve: &str, size: usize| {
            let (x, y) = (bytes("x")?, bytes("y")?);
            let is_on_it = text("crv") == Some(curve) && x.len() == size && y.len() == size;
            is_on_it.then(|| [&[4], x.as_slice(), &y].concat())
        };
        let is_verified = match self {
            Self::Rsa(parameters) => bytes("n").zip(bytes("e")).map(|(n, e)| {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }),
            Self::P256 => point("P-256", 32).map(|point| {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }),
            Self::P384 => point("P-384", 48).map(|point| {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }),
            Self::Ed25519 => bytes("x")
                .filter(|_| text("crv") == Some("Ed25519"))
                .map(|x| UnparsedPublicKey::new(&ED25519, x).verify(message, signature)),
        };
        is_verified.is_some_and(|verified| verified.is_ok())
    }
}

/// What a token must say.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client: &'a str,
    pub(crate) nonce: &'a str,
    /// The time, in milliseconds.
    pub(crate) now: i64,
}

impl Expected<'_> {
    pub(crate) fn check(&self, claims: &Json) -> Result<(), Wrong> {
        let is = |claim: &'static str, expected: &str| {
            let is_it = claims.get(claim).and_then(Json::as_str) == Some(expected);
            if is_it { Ok(()) } else { Err(Wrong::Claim(claim)) }
        };
        is("iss", self.issuer)?;
        is("nonce", self.nonce)?;
        let audience = match claims.get("aud") {
            Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).collect(),
            Some(one) => one.as_str().into_iter().collect(),
            None => Vec::new(),
        };
        if !audience.contains(&self.client) {
            return Err(Wrong::Claim("aud"));
        }
        if audience.len() > 1 || claims.get("azp").is_some() {
            is("azp", self.client)?;
        }
        if claims.get("sub").and_then(Json::as_str).is_none_or(str::is_empty) {
            return Err(Wrong::Claim("sub"));
        }
        let seconds = |claim: &str| claims.get(claim).and_then(Json::as_f64);
        let now = (self.now / 1_000) as f64;
        let leeway = LEEWAY as f64;
        let expires = seconds("exp").ok_or(Wrong::Claim("exp"))?;
        let begins = seconds("nbf").or_else(|| seconds("iat")).ok_or(Wrong::Claim("iat"))?;
        if expires + leeway <= now || begins - leeway > now {
            return Err(Wrong::Expired);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    /// The example of appendix A.4 of RFC 8037: the text that is signed is no JSON, so that only its
    /// signature can be right.
    #[test]
    fn the_signature_of_the_rfc_is_right_and_a_changed_one_is_not() {
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        });
        let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let token = format!("{message}.{signature}");
        assert_eq!(signed(&token, std::slice::from_ref(&key)), Err(Wrong::Form));
        let changed = token.replace("RXhh", "RXhi");
        assert_eq!(signed(&changed, std::slice::from_ref(&key)), Err(Wrong::Signature));
        assert_eq!(signed(&token, &[]), Err(Wrong::UnknownKey));
        assert_eq!(signed(&token, &[json!({"kty": "RSA"})]), Err(Wrong::UnknownKey));
    }

    #[test]
    fn what_a_key_of_rsa_has_signed_is_read() {
        let n = concat!(
            "uFQWs3BaSRvqLnQlwd0mQk7p_zC6n7NngFpoNA2jcySCQomsOAcA-OtLVYL989R-OHXsrDnCH8GCcV0N",
            "Za1Vi7JMNqpYuPas0QOeqqq-1xodduG0c3R5HC4hQU6AgE-1D3cx2w_XW0feWVXBRJQvO8GKpoktoBC_",
            "QTRiQJLCMT2nXSf16GHttZdANdVvHdezUIMLPXeZApwliNt6aN7-3adnCVDIYcj-1lXgCN5SoIQ0_erH",
            "WYl8kGG_4n-MM1yKEPjdIusn9aN-Bz3ngx31hl5t187WWoLKykZE_hc8OCwlUm9eK8AbufZeI1K6sbQ3",
            "pYWpBSnRd5D4YCcXE_y1EQ",
        );
        let signature = concat!(
            "F8dK_C20Gdb2J2pqTqbNqz5mxq6wOi-3_AroaV2guPG_ovJrNDQ3H78zaKkEAKe0FxhRb7LSkfD2xvxc",
            "dgVzimVUm0CoSYgD8zXKCVT7Jfginxjyc5tMAttMAneFZwT1l46f_R2c-BZX1uNuxePBtnefKCwBWd7j",
            "4K_uG2W3gFUy3oMWMnapgRl8jIPq0C9s03EZ5DPo1c59fBgvwvBUI3TU8-HH1cnnSK2xOFM_rzx-ZeNv",
            "n4wC528DMe-j0wQGGzTUizz7MaTgctQbLw1zKKZM5MfwHh65koxtiVekdBlojuMcdjZZRzAXFQvi41E4",
            "2-yF0Vcykm5bET9BCo3EDA",
        );
        let key =
            |kid: &str| json!({"kty": "RSA", "use": "sig", "kid": (kid), "e": "AQAB", "n": (n)});
        let message = "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJzdWIiOiJzb21lYm9keSJ9";
        let token = format!("{message}.{signature}");
        assert_eq!(signed(&token, &[key("q"), key("r")]), Ok(json!({"sub": "somebody"})));
        assert_eq!(signed(&token, &[key("q")]), Err(Wrong::UnknownKey));
        let changed = token.replacen("eyJzdWIi", "eyJzdWIj", 1);
        assert_eq!(signed(&changed, &[key("r")]), Err(Wrong::Signature));
        // A key for something else does not count.
        let for_else = json!({"kty": "RSA", "use": "enc", "kid": "r", "e": "AQAB", "n": (n)});
        assert_eq!(signed(&token, &[for_else]), Err(Wrong::UnknownKey));
    }

    #[test]
    fn what_is_not_signed_by_the_provider_is_no_token() {
        let part = |value: &str| URL_SAFE_NO_PAD.encode(value);
        let with = |header: &str| format!("{}.{}.{}", part(header), part("{}"), part("x"));
        let keys = [json!({"kty": "oct", "k": "c2VjcmV0"})];
        for (header, wrong) in [
            (r#"{"alg":"none"}"#, Wrong::Algorithm("none".to_owned())),
            (r#"{"alg":"HS256"}"#, Wrong::Algorithm("HS256".to_owned())),
            (r#"{"alg":"RS256","crit":["b64"]}"#, Wrong::Form),
            ("{}", Wrong::Form),
            ("[]", Wrong::Form),
        ] {
            assert_eq!(signed(&with(header), &keys), Err(wrong), "{header}");
        }
        for text in ["", ".", "..", "a.b", "a.b.c", "\u{0}.\u{0}.\u{0}"] {
            assert_eq!(signed(text, &keys), Err(Wrong::Form), "{text}");
        }
    }

    #[test]
    fn each_claim_is_checked() {
        let expected = Expected { issuer: "https://i", client: "c", nonce: "n", now: 1_000_000 };
        let good = json!({
            "iss": "https://i", "aud": "c", "nonce": "n", "sub": "s", "exp": 1_300, "iat": 990
        });
        assert_eq!(expected.check(&good), Ok(()));
        let with = |claim: &str, value: Json| {
            let mut claims = good.as_object().expect("it is one").clone();
            claims.insert(claim, value);
            expected.check(&Json::from(claims))
        };
        assert_eq!(with("iss", json!("https://i/")), Err(Wrong::Claim("iss")));
        assert_eq!(with("nonce", json!("m")), Err(Wrong::Claim("nonce")));
        assert_eq!(with("aud", json!("d")), Err(Wrong::Claim("aud")));
        assert_eq!(with("aud", json!(["d", "c"])), Err(Wrong::Claim("azp")));
        assert_eq!(with("azp", json!("d")), Err(Wrong::Claim("azp")));
        assert_eq!(with("aud", json!(["c"])), Ok(()));
        assert_eq!(with("sub", json!("")), Err(Wrong::Claim("sub")));
        assert_eq!(with("exp", json!("1300")), Err(Wrong::Claim("exp")));
        assert_eq!(with("exp", json!(940)), Err(Wrong::Expired));
        assert_eq!(with("exp", json!(941)), Ok(()));
        assert_eq!(with("iat", json!(1_061)), Err(Wrong::Expired));
        assert_eq!(with("nbf", json!(1_061)), Err(Wrong::Expired));
    }
}
