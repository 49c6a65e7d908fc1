"""BITS by hand with Python's requests: Fragments of 10 MiB. Usage: requests_loop.py FILE URL"""

import os
import sys

import requests

STEP = 10 << 20


def packet(session, url, kind, body=b"", **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = session.request("BITS_POST", url, data=body, headers={
        "BITS-Packet-Type": kind, "Content-Length": str(len(body)), **names})
    answer.raise_for_status()
    return answer.headers


path, url = sys.argv[1:]
size = os.path.getsize(path)
with requests.Session() as http, open(path, "rb") as file:
    http.trust_env = False
    number = packet(http, url, "Create-Session", BITS_Supported_Protocols="{7df0354d-249b-430f-820d-3d2a9bef4931}")["BITS-Session-Id"]
    for at in range(0, size, STEP):
        body = file.read(STEP)
        packet(http, url, "Fragment", body, BITS_Session_Id=number,
               Content_Range=f"bytes {at}-{at + len(body) - 1}/{size}")
    packet(http, url, "Close-Session", BITS_Session_Id=number)
