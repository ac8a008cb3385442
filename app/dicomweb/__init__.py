"""DICOMweb (PS3.18) for what the service holds: store (STOW-RS), search (QIDO-RS), retrieve (WADO-RS), delete."""

from flask import Blueprint

from app.dicomweb import qido, stow, wado

blueprint = Blueprint("dicomweb", __name__, url_prefix="/dicom-web")
for part in (stow.blueprint, qido.blueprint, wado.blueprint):
    blueprint.register_blueprint(part)
