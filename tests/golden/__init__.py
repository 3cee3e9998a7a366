"""What must not change: identities, records and checkpoints as earlier versions made them.

The files here were made by the code of commit a2e974d. A test that fails here says that users would
lose what they have: a study that runs again from the start, a record that cannot be read, a
checkpoint that cannot be gone on with. Then the code is to be mended, not the file. An entry may be
added for what is new; one may be changed only if its study file was.
"""
