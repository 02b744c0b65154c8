"""What an operator would check by hand on a server (`m8 doctor`): `examine` makes all checks, each file a part of them.

Nothing is changed. It works while m8 runs, and while it does not.
"""

from monoskope.m8.doctor.examination import examine as examine
