"""Replicate. A prediction is a job: its POST opens it (or waits for it, if told to), and every GET of
it repeats its bill, which belongs to whoever opened it. Trainings, which bill by the second too, have
no meter yet; a hosted model that is kept warm bills without any call.
Source: https://replicate.com/docs/reference/http, https://replicate.com/docs/topics/billing.
"""

from __future__ import annotations

from typing import Final

from tallystick.core.dialect import Provider, Route
from tallystick.providers.compatible import BEARER, file_routes
from tallystick.providers.dialects.prediction_jobs import PredictionJobs

JOB: Final = PredictionJobs(keeps_files_at="https://api.replicate.com/v1/files/")

REPLICATE: Final = Provider(
    id="replicate",
    name="Replicate",
    base_url="https://api.replicate.com",
    routes=(
        Route("POST", "/v1/predictions", "predictions", dialect=JOB, keeps=True),
        Route("POST", "/v1/models/{model}/predictions", "predictions", dialect=JOB, keeps=True, model_slashes=True),
        Route("POST", "/v1/deployments/{owner}/{name}/predictions", "predictions", dialect=JOB, keeps=True),
        Route("GET", "/v1/predictions/{id}", "predictions", "object", JOB, free=True, poll=True),
        Route("POST", "/v1/predictions/{id}/cancel", "predictions", "object", JOB, free=True, poll=True),
        Route("GET", "/v1/predictions", "predictions", "object", free=True),
        Route("POST", "/v1/models/{owner}/{name}/versions/{version}/trainings", "trainings", "object"),
        Route("GET", "/v1/models", "models", "models", free=True),
        Route("GET", "/v1/models/{model}", "models", "models", free=True, model_slashes=True),
        Route("POST", "/v1/models", "models", "other", free=True),
        Route("POST", "/v1/deployments", "deployments", "other"),
        *file_routes("/v1"),
    ),
    credentials=(BEARER,),
    docs_url="https://replicate.com/docs/reference/http",
)
