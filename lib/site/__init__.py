"""What turns the chapters into notebooks, a site, classroom copies and slides.

====================================  =======================================================
``python -m lib.site.notebooks``      run, check and sync the notebooks and their text twins
``python -m lib.site.build``          the book, into ``_build/html``
``python -m lib.site.student``        copies without solutions, into ``_build/student``
``python -m lib.site.slides``         slides that need no network, into ``_build/slides``
====================================  =======================================================
"""
