function OnStableStudy(study, tags, metadata)
  RestApiPost("/dicom-web/servers/cruciate/stow", '{"Resources": ["' .. study .. '"]}')
end
