# Nothing beside what racoon.conf implies.
