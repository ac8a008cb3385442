// OHIF's configuration: our DICOMweb, on the same origin, and nothing else.

(() => {
  const dicomweb = `${location.origin}/dicom-web`;

  const source = {
    namespace: "@ohif/extension-default.dataSourcesModule.dicomweb",
    sourceName: "dicomweb",
    configuration: {
      friendlyName: "Cruciate",
      name: "cruciate",
      qidoRoot: dicomweb,
      wadoRoot: dicomweb,
      imageRendering: "wadors",
      thumbnailRendering: "wadors",
      enableStudyLazyLoad: true,
      qidoSupportsIncludeField: false,
      supportsWildcard: true,
      supportsFuzzyMatching: false,
      supportsReject: false,
      omitQuotationForMultipartRequest: true,
    },
  };

  /** @type {any} */ (window).config = {
    routerBasename: "/ohif",
    extensions: [],
    modes: [],
    showStudyList: true,
    // What waits too long in a busy service is answered 429, and OHIF doesn't ask again. This is as many as the service
    // reads at one time, and as may wait longest.
    maxNumRequests: { interaction: 2, thumbnail: 1, prefetch: 1 },
    defaultDataSourceName: "dicomweb",
    dataSources: [source],
    // A session has ended: to the form, and back. What was searched for, maybe a name, isn't taken along.
    httpErrorHandler: (/** @type {{status?: number}} */ error) => {
      if (error?.status !== 401) return;
      const studies = new URLSearchParams(location.search).get("StudyInstanceUIDs");
      const wanted = location.pathname + (studies ? `?StudyInstanceUIDs=${studies}` : "");
      location.assign(`/login?next=${encodeURIComponent(wanted)}`);
    },
  };
})();
