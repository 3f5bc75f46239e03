"""kazoo logs in by SASL: kazoo_sasl.py address user password.

Prints who the server says it is, or that it was not let in.
"""

import sys

from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import make_acl


def main(address, user, password):
    options = {"mechanism": "DIGEST-MD5", "username": user, "password": password}
    client = KazooClient(hosts=address, sasl_options=options)
    path = "/of-kazoo"
    acl = [make_acl("sasl", user, all=True)]
    try:
        client.start(timeout=10)
        client.create(path, b"data", acl=acl)
    except (AuthFailedError, KazooTimeoutError):
        print("not let in")
        return
    data, _ = client.get(path)
    acls, _ = client.get_acls(path)
    print(data.decode(), " ".join(f"{acl.id.scheme}:{acl.id.id}" for acl in acls))
    client.stop()


main(*sys.argv[1:])
