"""A batch on a Ray cluster: tasks make the videos, actors run the servers.

Nothing else imports these modules, but `batch --on ray`: they import Ray, which is optional.
"""
