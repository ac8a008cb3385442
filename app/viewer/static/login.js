// Says so where the form would send the key in clear. Loopback never leaves this machine.

const warning = document.getElementById("insecure");
if (warning) warning.hidden = isSecureContext;
