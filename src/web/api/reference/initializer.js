// Draws the document of this service. It keeps no token, and sends nothing to a validator elsewhere.
window.ui = SwaggerUIBundle({
  url: "../openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: "none",
});
