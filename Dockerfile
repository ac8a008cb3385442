# The service on a CPU. For a GPU, install "tensorflow[and-cuda]" of the same version instead and run with --gpus.
# Debian 12, whose archive has both packages of fonts below.
FROM python:3.12-slim-bookworm

# Fonts for reports: Chinese, Japanese, Korean (Apache-2.0, 5 MB) and Thai (GPL with font exception, 0.4 MB).
RUN apt-get update && apt-get install -y --no-install-recommends fonts-wqy-microhei fonts-tlwg-loma-ttf && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home cruciate
WORKDIR /home/cruciate
COPY requirements.txt .
RUN pip install --no-cache-dir --requirement requirements.txt
COPY data_prep data_prep
COPY models models
COPY app app

USER cruciate
# The volume takes the owner of the folder that is there. Without one, it would be root's.
RUN mkdir -m 700 var
ENV CRUCIATE_HOST=0.0.0.0 PORT=8000 CRUCIATE_DATA=/home/cruciate/var TF_CPP_MIN_LOG_LEVEL=2
VOLUME /home/cruciate/var
EXPOSE 8000
# deploy/compose.yaml puts nginx in front. Beyond loopback the service wants a key: docker run --env CRUCIATE_API_KEYS=... -p 8000:8000 cruciate
CMD ["gunicorn", "--config", "app/gunicorn.conf.py"]
