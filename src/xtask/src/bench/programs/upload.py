"""An upload as a program in Python makes one. Usage: upload.py FILE URL"""

import sys

import bitsup

bitsup.upload(sys.argv[1], sys.argv[2])
