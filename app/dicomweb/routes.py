"""The DICOMweb routes under one prefix."""

from flask import Blueprint

from app.dicomweb import metadata, qido, rendered, stow, wado

blueprint = Blueprint("dicomweb", __name__, url_prefix="/dicom-web")
for part in (stow.blueprint, qido.blueprint, wado.blueprint, metadata.blueprint, rendered.blueprint):
    blueprint.register_blueprint(part)
