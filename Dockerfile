# syntax=docker/dockerfile:1

# The service in a small image: no compiler, no root, nothing but Python and the package.
#   docker build -t emotone .
#   docker run --rm -v emotone:/data emotone server keys create laptop
#   docker run -p 127.0.0.1:8000:8000 -v emotone:/data emotone

FROM python:3.13-slim-bookworm AS build
WORKDIR /source
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m venv /opt/emotone \
    && /opt/emotone/bin/python -m pip install "$(grep '^pip==' constraints.txt)" \
    && /opt/emotone/bin/python -m pip install -c constraints.txt --build-constraint constraints.txt \
        '.[server,postgres]' \
    && /opt/emotone/bin/python -m compileall -q /opt/emotone/lib \
    && /opt/emotone/bin/python -m pip uninstall -y pip

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin emotone \
    && install -d -m 700 -o emotone -g emotone /data
COPY --from=build /opt/emotone /opt/emotone
ENV PATH=/opt/emotone/bin:$PATH \
    EMOTONE_SERVER=/data \
    EMOTONE_LOG=json \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["emotone"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--no-browser"]
