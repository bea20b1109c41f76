#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-only
"""A certificate authority for tests: a directory with ca.pem, and certificates for names and addresses.

    ca.py DIRECTORY                                   # makes DIRECTORY/ca.pem, once
    ca.py DIRECTORY --issue NAME HOST,ADDRESS,...     # NAME.pem, NAME.key; prints both paths
    ca.py DIRECTORY --issue NAME HOST --expired

openssl's own `ca` does the work, because only that one can date a certificate into the past. Keys are P-256.
"""

import argparse
import ipaddress
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
CONFIG = '''[ca]
default_ca = here
[here]
dir = {dir}
database = $dir/index.txt
new_certs_dir = $dir/issued
certificate = $dir/ca.pem
private_key = $dir/ca.key
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
x509_extensions = leaf
copy_extensions = copy
[any]
commonName = optional
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
'''


def run(*command) -> None:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f'{command[0]} {command[1]}: {done.stderr.strip()}')


def subject_name(host: str) -> str:
    try:
        return f'IP:{ipaddress.ip_address(host)}'
    except ValueError:
        return f'DNS:{host}'


class Ca:
    """One authority in one directory; an authority that is there already is used again."""

    def __init__(self, directory, name: str = 'Test CA'):
        self.dir = Path(directory).resolve()
        self.pem = self.dir / 'ca.pem'
        self._config = self.dir / 'openssl.cnf'
        (self.dir / 'issued').mkdir(parents=True, exist_ok=True)
        if self.pem.exists():
            return
        (self.dir / 'index.txt').touch()
        self._config.write_text(CONFIG.format(dir=self.dir))
        with private_umask():
            run('openssl', 'req', '-x509', *NEW_KEY, '-days', '30', '-config', self._config, '-extensions', 'root',
                '-subj', f'/CN={name}', '-keyout', self.dir / 'ca.key', '-out', self.pem)

    def issue(self, name: str, hosts: list, valid=None) -> tuple:
        """(certificate, key) files for these names and addresses. valid: (begin, end), UTC; default: an hour ago, 30 days."""
        now = datetime.now(timezone.utc)
        begin, end = valid or (now - timedelta(hours=1), now + timedelta(days=30))
        certificate, key, request = (self.dir / f'{name}.{suffix}' for suffix in ('pem', 'key', 'csr'))
        with private_umask():
            run('openssl', 'req', '-new', *NEW_KEY, '-config', self._config, '-subj', f'/CN={hosts[0][:64]}',
                '-addext', 'subjectAltName=' + ','.join(map(subject_name, hosts)), '-keyout', key, '-out', request)
            run('openssl', 'ca', '-batch', '-notext', '-config', self._config, '-in', request, '-out', certificate,
                '-startdate', begin.strftime('%Y%m%d%H%M%SZ'), '-enddate', end.strftime('%Y%m%d%H%M%SZ'))
        request.unlink()
        return certificate, key

    def issue_expired(self, name: str, hosts: list) -> tuple:
        now = datetime.now(timezone.utc)
        return self.issue(name, hosts, (now - timedelta(days=60), now - timedelta(days=1)))


class private_umask:
    def __enter__(self):
        self._before = os.umask(0o077)

    def __exit__(self, *_):
        os.umask(self._before)


def main(argv=None) -> int:
    p = argparse.ArgumentParser(prog='ca.py', description='A certificate authority for tests.')
    p.add_argument('directory', type=Path)
    p.add_argument('--issue', nargs=2, metavar=('NAME', 'HOSTS'), help='a certificate for HOSTS, separated by commas')
    p.add_argument('--expired', action='store_true', help='one that ended yesterday')
    args = p.parse_args(argv)
    try:
        ca = Ca(args.directory)
        made = [ca.pem]
        if args.issue:
            issue = ca.issue_expired if args.expired else ca.issue
            made = issue(args.issue[0], args.issue[1].split(','))
    except OSError as e:
        print(f'ca.py: {e}', file=sys.stderr)
        return 1
    print('\n'.join(map(str, made)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
