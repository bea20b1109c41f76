#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""What test_http_client talks to: HTTP in clear, HTTPS, HTTPS that ends at TLS 1.1, and a Unix socket, with certificates of its own
CA. Shares no code with what it tests. Argument: a directory to work in. Prints its three ports, ends with its standard input."""
import os
import socket
import ssl
import subprocess
import sys
import threading
import warnings

DATE = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
ports = {}


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def make_certificates(where):
    def path(name):
        return os.path.join(where, name)

    for ca in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "60", "-subj",
                f"/CN={ca}", "-keyout", path(f"{ca}.key"), "-out", path(f"{ca}.pem"))
    for leaf in ("leaf", "old"):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={leaf}", "-keyout",
                path(f"{leaf}.key"), "-out", path(f"{leaf}.csr"))
    with open(path("conf"), "w", encoding="ascii") as f:
        f.write(f"[ca]\ndefault_ca=x\n[x]\ndatabase={path('db')}\nnew_certs_dir={where}\nrand_serial=yes\npolicy=p\n"
                "default_md=sha256\nx509_extensions=ext\n[p]\ncommonName=supplied\n"
                "[ext]\nsubjectAltName=DNS:edge.test,DNS:expired.test\n")
    with open(path("db"), "w", encoding="ascii"):
        pass
    # `x509 -days` cannot sign what has expired, in every version of OpenSSL.
    for leaf, until in (("leaf", ["-days", "30"]), ("old", ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"])):
        openssl("ca", "-batch", "-notext", "-config", path("conf"), "-cert", path("ca.pem"), "-keyfile", path("ca.key"), "-in",
                path(f"{leaf}.csr"), "-out", path(f"{leaf}.pem"), *until)


def context(where, leaf):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(os.path.join(where, f"{leaf}.pem"), os.path.join(where, f"{leaf}.key"))
    return ctx


def read_request(s):
    text = b""
    while b"\r\n\r\n" not in text:
        got = s.recv(65536)
        if not got:
            return None, b"", b""
        text += got
        if text[:1] == b"\x16":  # TLS where there is none
            return "/missing", b"", b""
    head, _, body = text.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += s.recv(65536)
    return head.split(b" ")[1].decode(), head, body


def reply(status, body=b"", fields=""):
    return (f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n{fields}Content-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n").encode() + body


def redirect(to, status="302 Found"):
    return reply(status, b"", f"Location: {to}\r\n")


def until_gone(s):
    try:
        while s.recv(4096):
            pass
    except OSError:
        pass
    return b""


def answer(s, path, head, body):
    number = int("0" + "".join(c for c in path if c.isdigit()))
    table = {
        "/ok": lambda: reply("200 OK", b"hello", DATE),
        "/missing": lambda: reply("404 Not Found", b"no such thing"),
        "/busy": lambda: reply("503 Busy", b"", "Retry-After: 120\r\nDate: yesterday\r\n"),
        "/busy-forever": lambda: reply("503 Busy", b"", "Retry-After: 99999999999999\r\n"),
        "/empty": lambda: reply("204 No Content"),
        "/echo": lambda: reply("200 OK", head + b"\r\n\r\n" + body),
        "/loop": lambda: redirect("/loop"),
        "/to-plain": lambda: redirect(f"http://127.0.0.1:{ports['plain']}/ok"),
        "/to-ftp": lambda: redirect("ftp://127.0.0.1/ok"),
        "/to-file": lambda: redirect("file:///etc/hostname"),
        "/to-user": lambda: redirect(f"http://joe:secret@127.0.0.1:{ports['plain']}/ok"),
        "/to-elsewhere": lambda: redirect(f"http://localhost:{ports['plain']}/echo"),
        "/to-nobody": lambda: redirect("http://127.0.0.1:9/secret-path"),
        "/endless": lambda: b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 400000,
        "/lying": lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        "/chunks": lambda: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "/bad-chunks": lambda: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        "/cut": lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        "/close": lambda: b"",
        "/ssh": lambda: b"SSH-2.0-OpenSSH_9.2\r\n",
        "/heads": lambda: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200000,
        "/slow": lambda: until_gone(s),
        "/half": lambda: (s.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"), until_gone(s))[1],
    }
    if path.startswith("/bytes"):
        return reply("200 OK", b"b" * number)
    if path.startswith("/hop"):
        return redirect(f"/hop{number - 1}" if number else "/ok", "307 Again" if number % 2 else "302 Found")
    return table.get(path.partition("?")[0], table["/missing"])()


def serve(s, ctx):
    try:
        if ctx:
            s = ctx.wrap_socket(s, server_side=True)
        path, head, body = read_request(s)
        if path:
            s.sendall(answer(s, path, head, body))
        s.close()
    except OSError:
        s.close()


def listen(s, ctx=None):
    def run():
        while True:
            peer, _ = s.accept()
            threading.Thread(target=serve, args=(peer, ctx), daemon=True).start()

    s.listen(16)
    threading.Thread(target=run, daemon=True).start()
    return s


def tcp():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s


def main():
    where = sys.argv[1]
    make_certificates(where)
    good, expired, old = context(where, "leaf"), context(where, "old"), context(where, "leaf")

    def by_name(s, name, _):
        s.context = expired if name == "expired.test" else good

    good.sni_callback = by_name
    old.set_ciphers("ALL:@SECLEVEL=0")
    warnings.simplefilter("ignore", DeprecationWarning)
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(os.path.join(where, "web"))
    listen(unix)
    for name, ctx in (("plain", None), ("tls", good), ("tls11", old)):
        ports[name] = listen(tcp(), ctx).getsockname()[1]
    print(ports["plain"], ports["tls"], ports["tls11"], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
