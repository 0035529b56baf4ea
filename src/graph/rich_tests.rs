use aws_lc_rs::{
    cipher::{EncryptionContext, PaddedBlockEncryptingKey},
    rsa::{OaepPublicEncryptingKey, PublicEncryptingKey},
};
use serde_json::json;

use super::*;

const CONTENT: &[u8] = br#"{"id":"A=","givenName":"Ada"}"#;

/// What Graph does with a certificate's key, of which every step can be spoilt.
fn seal(fresh: &Fresh, key: [u8; 32], signing: [u8; 32], plain: &[u8]) -> Value {
    let private = PrivateDecryptingKey::from_pkcs8(fresh.private_key.expose_secret()).unwrap();
    let public: PublicKeyX509Der<'_> = private.public_key().as_der().unwrap();
    let public = PublicEncryptingKey::from_der(public.as_ref()).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    let mut room = vec![0; public.ciphertext_size()];
    let wrapped = public
        .encrypt(&OAEP_SHA1_MGF1SHA1, &key, &mut room, None)
        .unwrap();
    let mut data = plain.to_vec();
    let iv: [u8; 16] = key[..16].try_into().unwrap();
    PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &key).unwrap())
        .unwrap()
        .less_safe_encrypt(&mut data, EncryptionContext::Iv128(FixedLength::from(iv)))
        .unwrap();
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &signing), &data);
    json!({
        "data": STANDARD.encode(&data), "dataKey": STANDARD.encode(&*wrapped),
        "dataSignature": STANDARD.encode(signature.as_ref()), "encryptionCertificateId": "c",
        "encryptionCertificateThumbprint": "",
    })
}

fn fresh() -> Fresh {
    make(0, 86_400_000, [0xff; 16]).unwrap()
}

#[test]
fn what_was_sealed_for_the_certificate_opens() {
    let fresh = fresh();
    let opener = Opener::new(&fresh.private_key).unwrap();
    let sealed = Encrypted::of(&seal(&fresh, [7; 32], [7; 32], CONTENT)).unwrap();
    assert_eq!(sealed.certificate_id, "c");
    assert_eq!(opener.open(&sealed).unwrap()["givenName"], "Ada");
}

#[test]
fn a_forged_truncated_or_strange_content_says_nothing() {
    let (own, other) = (fresh(), fresh());
    let opener = Opener::new(&own.private_key).unwrap();
    let open = |row: &Value| opener.open(&Encrypted::of(row).unwrap()).err();
    let good = seal(&own, [7; 32], [7; 32], CONTENT);
    let strange = seal(&other, [7; 32], [7; 32], CONTENT);
    assert_eq!(open(&strange), Some(Refusal::Key));
    let forged = seal(&own, [7; 32], [8; 32], CONTENT);
    assert_eq!(open(&forged), Some(Refusal::Signature));
    let no_json = seal(&own, [7; 32], [7; 32], b"{");
    assert_eq!(open(&no_json), Some(Refusal::Form));
    let with = |name: &str, change: fn(&mut Vec<u8>)| {
        let mut row = good.clone();
        let mut bytes = STANDARD.decode(row[name].as_str().unwrap()).unwrap();
        change(&mut bytes);
        row[name] = json!(STANDARD.encode(bytes));
        row
    };
    for cut in [
        with("data", |data| data.truncate(16)),
        with("data", |data| data[0] ^= 1),
        with("dataSignature", |signature| signature.truncate(16)),
        with("dataSignature", |signature| signature[31] ^= 1),
    ] {
        assert_eq!(open(&cut), Some(Refusal::Signature));
    }
    for cut in [
        with("dataKey", |key| key.truncate(100)),
        with("dataKey", |key| key[0] ^= 1),
    ] {
        assert_eq!(open(&cut), Some(Refusal::Key));
    }
    let mut no_base64 = good.clone();
    no_base64["data"] = json!("***");
    assert_eq!(open(&no_base64), Some(Refusal::Form));
    for name in [
        "data",
        "dataKey",
        "dataSignature",
        "encryptionCertificateId",
    ] {
        let mut without = good.clone();
        without[name] = Value::Null;
        assert!(Encrypted::of(&without).is_none(), "{name}");
    }
}

#[test]
fn a_signed_content_that_is_no_ciphertext_does_not_decrypt() {
    let fresh = fresh();
    let opener = Opener::new(&fresh.private_key).unwrap();
    let mut row = seal(&fresh, [7; 32], [7; 32], CONTENT);
    let data = [1, 2, 3];
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]), &data);
    row["data"] = json!(STANDARD.encode(data));
    row["dataSignature"] = json!(STANDARD.encode(signature.as_ref()));
    let refused = opener.open(&Encrypted::of(&row).unwrap()).err();
    assert_eq!(refused, Some(Refusal::Cipher));
}

#[test]
fn what_is_no_key_opens_nothing() {
    assert!(Opener::new(&SecretSlice::from(vec![0; 32])).is_err());
}
