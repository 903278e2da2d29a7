"""Django in a test's process: its settings are the process's own, so that one application's URLs are followed at a time."""

from __future__ import annotations

import sys
import types
from typing import Any


def django_app(*urls: Any) -> Any:
    """The ASGI application of those URL patterns; the ones before have none from now on."""
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.urls import clear_url_caches

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="x", LOGGING_CONFIG=None, ROOT_URLCONF=__name__)
        django.setup()
    module: Any = types.ModuleType("urls_of_a_test")
    module.urlpatterns = list(urls)
    sys.modules[module.__name__] = module
    settings.ROOT_URLCONF = module.__name__
    clear_url_caches()
    return get_asgi_application()
