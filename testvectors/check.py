#!/usr/bin/env python3
"""Checks haulier-v1 against an independent implementation: pip install cryptography, then run this."""

import base64, hashlib, json, pathlib, unicodedata

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

HERE = pathlib.Path(__file__).parent / "haulier-v1"
checked = 0


def load(name):
    return json.loads((HERE / name).read_text("utf-8"))


def same(left, right, what):
    global checked
    checked += 1
    assert left == right, (what, left, right)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def hkdf(key, info):
    return HKDF(hashes.SHA256(), 32, salt=b"", info=info.encode()).derive(key)


def check_keys():
    for case in load("keys.json")["cases"]:
        ident, link, stretched = case["transfer_id"], case["link_key"] and unb64(case["link_key"]), None
        if case["kdf"]:
            same({**case["kdf"], "salt": None}, {"name": "PBKDF2", "hash": "SHA-256", "iterations": 600000, "salt": None}, "kdf")
            salt = f"haulier/v1/passphrase:{ident}:".encode() + unb64(case["kdf"]["salt"])
            words = unicodedata.normalize("NFC", case["passphrase"]).encode()
            stretched = PBKDF2HMAC(hashes.SHA256(), 32, salt, 600000).derive(words)
            same(stretched.hex(), case["passphrase_key_hex"], "P")
        key = {"link": lambda: link, "passphrase": lambda: stretched,
               "link+passphrase": lambda: hkdf(link + stretched, "haulier/v1/link+passphrase")}[case["mode"]]()
        token = b64(hkdf(key, f"haulier/v1/download-token:{ident}"))
        same(key.hex(), case["file_key_hex"], "file key")
        same(hkdf(key, "haulier/v1/metadata").hex(), case["metadata_key_hex"], "metadata key")
        same(b64(hkdf(key, f"haulier/v1/key-check:{ident}")), case["key_check"], "key check")
        same(token, case["download_token"], "download token")
        same(hashlib.sha256(token.encode()).hexdigest(), case["download_token_hash"], "token hash")
        tail = {"link": f"/{case['link_key']}", "passphrase": "", "link+passphrase": f"/{case['link_key']}/p"}[case["mode"]]
        same(f"https://files.example/haulier/#{ident}{tail}", case["link"], "link")


def check_chunks():
    vectors = load("chunks.json")
    cipher, ident = AESGCM(bytes.fromhex(vectors["file_key_hex"])), vectors["transfer_id"]
    for case in vectors["cases"]:
        size, step, total = case["file_size"], case["chunk_size"], case["total_chunks"]
        payload = bytes(i % 251 for i in range(size))
        same(total, max(1, -(-size // step)), "total_chunks")
        same(case["last_chunk_size"], size - (total - 1) * step, "last_chunk_size")
        same(len(case["chunks"]), total, "chunks")
        for index, chunk in enumerate(case["chunks"]):
            aad = json.dumps({"chunk_index": index, "total_chunks": total, "transfer_id": ident}, separators=(",", ":"))
            iv = bytes.fromhex(case["iv_prefix"]) + index.to_bytes(4, "big")
            sealed = iv + cipher.encrypt(iv, payload[index * step:(index + 1) * step], aad.encode())
            same(aad, chunk["aad"], "aad")
            same(iv.hex(), chunk["iv_hex"], "iv")
            same(sealed[-16:].hex(), chunk["tag_hex"], "tag")
            same(hashlib.sha256(sealed).hexdigest(), chunk["sealed_sha256"], "sealed")
            same(chunk["sealed_hex"], sealed.hex() if len(sealed) <= 64 else None, "sealed_hex")


def check_metadata():
    vectors = load("metadata.json")
    cipher, iv = AESGCM(bytes.fromhex(vectors["metadata_key_hex"])), bytes.fromhex(vectors["iv_hex"])
    same(vectors["aad"], "haulier/v1/metadata:" + vectors["transfer_id"], "aad")
    for case in vectors["cases"]:
        text = case["text"].encode()
        same(b64(iv + cipher.encrypt(iv, text, vectors["aad"].encode())), case["sealed"], "sealed")
        canonical = json.dumps(json.loads(case["text"]), ensure_ascii=False, separators=(",", ":"))
        same(canonical, case["text"], "canonical text")


check_keys()
check_chunks()
check_metadata()
print(f"{checked} values agree")
