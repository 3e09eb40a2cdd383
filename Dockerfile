# steadybench on a machine with an NVIDIA GPU: docker build -t steadybench . ; see docs/renting.md.
# The wheels of torch bring CUDA; of the host only the driver is used.
FROM python:3.11-slim-bookworm
# A compiler is what options.compile asks for, through Triton.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc git libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /steadybench
# Where downloads go: a volume, so that a model is fetched once.
ENV HF_HOME=/weights
COPY . .
RUN make install
ENTRYPOINT ["/steadybench/.venv/bin/steadybench"]
CMD ["--help"]
