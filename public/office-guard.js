// Before office.js: it sets the two history functions to null, and office-dialog.js puts them back.
(function () {
  "use strict";
  var kept = { pushState: window.history.pushState, replaceState: window.history.replaceState };
  window.tandemHistory = function () {
    window.history.pushState = kept.pushState;
    window.history.replaceState = kept.replaceState;
  };
})();
